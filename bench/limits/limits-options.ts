import { parseArgs } from 'node:util';

/** The measurements, in the order in which they run. */
export const limitNames = [
  'opening',
  'import',
  'session',
  'clients',
  'disk',
  'catch-up',
  'write-cost',
  'queue',
] as const;
export type LimitName = (typeof limitNames)[number];

export interface LimitsOptions {
  readonly names: readonly LimitName[];
  readonly isQuick: boolean;
  /** Updates before the bytes on disk are measured. */
  readonly updates: number;
  /** Unsent writes of the queue. */
  readonly queue: number;
}

const isLimitName = (name: string): name is LimitName => (limitNames as readonly string[]).includes(name);

const readNumber = (name: string, given: string): number => {
  const value = Number(given);
  if (given !== '' && Number.isSafeInteger(value) && value >= 1_000) return value;
  throw new RangeError(`--${name} must be a whole number from 1000, received "${given}".`);
};

/**
 * Reads the arguments: names of measurements, and options.
 *
 * @throws Error for an unknown name, an unknown option or an invalid value.
 */
export const readLimitsOptions = (args: readonly string[]): LimitsOptions => {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      updates: { type: 'string' },
      queue: { type: 'string' },
    },
    allowPositionals: true,
  });
  const names = positionals.filter(isLimitName);
  if (names.length < positionals.length) {
    const unknown = positionals.filter((name) => !isLimitName(name));
    throw new RangeError(`A measurement must be one of ${limitNames.join(', ')}, received "${unknown.join('", "')}".`);
  }
  return {
    names: names.length === 0 ? limitNames : names,
    isQuick: values.quick,
    updates: readNumber('updates', values.updates ?? (values.quick ? '100000' : '1000000')),
    queue: readNumber('queue', values.queue ?? (values.quick ? '10000' : '100000')),
  };
};
