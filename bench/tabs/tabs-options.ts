import { parseArgs } from 'node:util';

/** The measurements, in the order in which they run. */
export const tabMeasurementNames = ['opening', 'memory', 'latency', 'hand-over'] as const;
export type TabMeasurementName = (typeof tabMeasurementNames)[number];

export interface TabsOptions {
  readonly names: readonly TabMeasurementName[];
  readonly isQuick: boolean;
  /** Hand-overs of each kind. */
  readonly rounds: number;
}

const isKnown = (name: string): name is TabMeasurementName => (tabMeasurementNames as readonly string[]).includes(name);

/**
 * Reads the arguments: names of measurements, and options.
 *
 * @throws Error for an unknown name, an unknown option or an invalid value.
 */
export const readTabsOptions = (args: readonly string[]): TabsOptions => {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { quick: { type: 'boolean', default: false }, rounds: { type: 'string' } },
    allowPositionals: true,
  });
  const names = positionals.filter(isKnown);
  if (names.length < positionals.length) {
    const unknown = positionals.filter((name) => !isKnown(name));
    throw new RangeError(
      `A measurement must be one of ${tabMeasurementNames.join(', ')}, received "${unknown.join('", "')}".`,
    );
  }
  const { quick: isQuick, rounds = isQuick ? '5' : '50' } = values;
  if (!/^[1-9]\d{0,3}$/.test(rounds))
    throw new RangeError(`--rounds must be a whole number from 1 to 9999, received "${rounds}".`);
  return { names: names.length === 0 ? tabMeasurementNames : names, isQuick, rounds: Number(rounds) };
};
