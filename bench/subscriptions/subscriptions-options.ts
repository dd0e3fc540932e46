import { parseArgs } from 'node:util';

/** The measurements, in the order in which they run. */
export const subscriptionNames = [
  'upload',
  'touches',
  'projection',
  'bootstrap',
  'change',
  'latency',
  'restart',
  'memory',
  'routing',
] as const;
export type SubscriptionName = (typeof subscriptionNames)[number];

export interface SubscriptionsOptions {
  readonly names: readonly SubscriptionName[];
  readonly isQuick: boolean;
  /** Objects of the large realm. A device subscribes to 10 000 of them, or to a tenth of fewer. */
  readonly objects: number;
  /** Rounds that count. */
  readonly rounds: number;
}

const isSubscriptionName = (name: string): name is SubscriptionName =>
  (subscriptionNames as readonly string[]).includes(name);

const readNumber = (name: string, given: string, least: number): number => {
  const value = Number(given);
  if (given !== '' && Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(`--${name} must be a whole number from ${least}, received "${given}".`);
};

/**
 * Reads the arguments: names of measurements, and options.
 *
 * @throws Error for an unknown name, an unknown option or an invalid value.
 */
export const readSubscriptionsOptions = (args: readonly string[]): SubscriptionsOptions => {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { quick: { type: 'boolean', default: false }, objects: { type: 'string' }, rounds: { type: 'string' } },
    allowPositionals: true,
  });
  const names = positionals.filter(isSubscriptionName);
  if (names.length < positionals.length) {
    const unknown = positionals.filter((name) => !isSubscriptionName(name));
    throw new RangeError(
      `A measurement must be one of ${subscriptionNames.join(', ')}, received "${unknown.join('", "')}".`,
    );
  }
  return {
    names: names.length === 0 ? subscriptionNames : names,
    isQuick: values.quick,
    objects: readNumber('objects', values.objects ?? (values.quick ? '50000' : '1000000'), 10_000),
    rounds: readNumber('rounds', values.rounds ?? (values.quick ? '2' : '5'), 1),
  };
};
