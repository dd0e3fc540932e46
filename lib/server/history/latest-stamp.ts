import { map, type Observable } from 'rxjs';
import type { Storage, StorageChange } from '../../storage/storage.js';
import { checkStoredTime, encodeLatest, latestStepMs, readValue } from './record-codec.js';

const key = 'latest';

/** The time of the latest stamp of a history: exact for changesets of this process, otherwise rounded up to a step. */
export interface LatestStamp {
  readonly time: number;
  /** Returns the changes to store with changesets that are stamped up to this time. */
  readonly toChanges: (time: number) => readonly StorageChange[];
  /** Must be called when these changes are stored. */
  readonly raise: (time: number) => void;
}

const stepOf = (time: number): number => Math.ceil(time / latestStepMs) * latestStepMs;

/** A class, because a server has one for each open realm. */
class StoredLatestStamp implements LatestStamp {
  private stored: number;

  constructor(
    public time: number,
    private readonly notify: (time: number) => void,
  ) {
    this.stored = time;
    notify(time);
  }

  toChanges(to: number): readonly StorageChange[] {
    return to > this.stored ? [{ type: 'put', key, value: encodeLatest(stepOf(to)) }] : [];
  }

  raise(to: number): void {
    this.time = Math.max(this.time, to);
    if (to > this.stored) this.stored = stepOf(to);
    this.notify(this.stored);
  }
}

/** Creates the latest stamp. Calls `notify` with the stored time at first and with each batch. */
export const createLatestStamp = (found: number, notify: (time: number) => void): LatestStamp =>
  new StoredLatestStamp(found, notify);

export const readLatestStamp = (storage: Storage): Observable<number> =>
  readValue(storage, key).pipe(map((value) => (value === undefined ? 0 : checkStoredTime(key, value))));
