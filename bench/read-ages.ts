import { now } from './processes.js';

/** The items that a reader has received of those that it expects. */
export interface ReadAges {
  /** Starts again with this number of expected items. */
  readonly expect: (count: number) => void;
  /** Adds received items, with the time at which each was written. */
  readonly record: (writtenAt: readonly number[]) => void;
  /** The time at which all items were received. */
  readonly waitForAll: () => Promise<number>;
  /** The age of each item when it was received, in milliseconds. */
  readonly ages: () => number[];
}

export const createReadAges = (): ReadAges => {
  let expected = Infinity;
  let ages: number[] = [];
  let reachedAt: number | null = null;
  let resolveReached: (at: number) => void = () => undefined;

  return {
    expect: (count) => {
      expected = count;
      ages = [];
      reachedAt = null;
    },
    record: (writtenAt) => {
      const receivedAt = now();
      for (const written of writtenAt) ages.push(receivedAt - written);
      if (reachedAt !== null || ages.length < expected) return;
      reachedAt = receivedAt;
      resolveReached(receivedAt);
    },
    waitForAll: () =>
      new Promise((resolve) => {
        if (reachedAt === null) resolveReached = resolve;
        else resolve(reachedAt);
      }),
    ages: () => ages,
  };
};
