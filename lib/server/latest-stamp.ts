import { map, type Observable } from 'rxjs';
import type { Storage, StorageChange } from '../storage/storage.js';
import { checkedLatest, latestBytes, latestStepMs, valueAt } from './stored.js';

const key = 'latest';

/** The time of the latest stamp of a history: exact for what this process has appended, else rounded up to a step. */
export interface Latest {
  readonly time: number;
  /** What has to be stored with changesets that are stamped up to a time. */
  readonly puts: (time: number) => readonly StorageChange[];
  /** They are stored. */
  readonly raise: (time: number) => void;
}

const stepOf = (time: number): number => Math.ceil(time / latestStepMs) * latestStepMs;

/** `told` hears of the stored time, at first and with each batch. */
export const createLatest = (found: number, told: (time: number) => void): Latest => {
  let [time, stored] = [found, found];
  told(found);
  return {
    get time() {
      return time;
    },
    puts: (to) => (to > stored ? [{ type: 'put', key, value: latestBytes(stepOf(to)) }] : []),
    raise: (to) => {
      time = Math.max(time, to);
      if (to > stored) stored = stepOf(to);
      told(stored);
    },
  };
};

export const latestOn = (storage: Storage): Observable<number> =>
  valueAt(storage, key).pipe(map((value) => (value === undefined ? 0 : checkedLatest(value))));
