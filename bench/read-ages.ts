import { now } from './processes.js';

/** What a reader has seen, of what it is to see. */
export interface Tally {
  /** Starts over: so many are to come. */
  readonly expect: (count: number) => void;
  /** These have been seen now; for each, when it was written. */
  readonly record: (writtenAt: readonly number[]) => void;
  /** The moment at which all have been seen. */
  readonly waitForAll: () => Promise<number>;
  /** How old each was when it was seen, in milliseconds. */
  readonly ages: () => number[];
}

export const createTally = (): Tally => {
  let expected = Infinity;
  let ages: number[] = [];
  let reachedAt: number | null = null;
  let tell: (at: number) => void = () => undefined;

  return {
    expect: (count) => {
      expected = count;
      ages = [];
      reachedAt = null;
    },
    record: (writtenAt) => {
      const seen = now();
      for (const written of writtenAt) ages.push(seen - written);
      if (reachedAt !== null || ages.length < expected) return;
      reachedAt = seen;
      tell(seen);
    },
    waitForAll: () =>
      new Promise((resolve) => {
        if (reachedAt === null) tell = resolve;
        else resolve(reachedAt);
      }),
    ages: () => ages,
  };
};
