import { isResolvedWithin, now } from './time-limits.js';
import { indexOfItem, type ItemPrefix, prefixOfItem } from './items.js';

/** The arrivals of expected items at one client. */
export interface Arrivals {
  readonly isComplete: boolean;
  readonly count: number;
  /** The moment of each item by its index; 0 for an item that has not arrived. */
  readonly times: Float64Array;
  readonly lastAt: number;
}

export interface ArrivalRecorder {
  /** Begins a new recording. */
  readonly expect: (prefix: ItemPrefix, total: number) => void;
  readonly record: (id: string) => void;
  readonly wait: (msMax: number) => Promise<Arrivals>;
}

/** Creates a recorder of the moments at which items of one prefix became readable at a client. */
export const createArrivalRecorder = (): ArrivalRecorder => {
  let prefix: ItemPrefix | null = null;
  let times = new Float64Array(0);
  let count = 0;
  let lastAt = 0;
  let resolve: () => void = () => undefined;
  let complete = Promise.resolve();
  return {
    expect: (expected, total) => {
      prefix = expected;
      times = new Float64Array(total);
      count = 0;
      complete = new Promise((resolved) => {
        resolve = resolved;
      });
    },
    record: (id) => {
      if (prefixOfItem(id) !== prefix) return;
      const index = indexOfItem(id);
      if (times[index] !== 0) return;
      lastAt = times[index] = now();
      count += 1;
      if (count === times.length) resolve();
    },
    wait: async (msMax) => ({ isComplete: await isResolvedWithin(complete, msMax), count, times, lastAt }),
  };
};
