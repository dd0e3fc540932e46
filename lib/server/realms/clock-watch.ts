import { catchError, map, of, timeout, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import { decodeLatest, latestStepMs, readValue } from '../history/record-codec.js';
import { throttleCalls, type ServerLog } from '../http/server-events.js';

/** Where the latest stamp of all realms is kept: what realms keep lies under `realm/`. */
const latestStampKey = 'latest';

/** How often the owner is told, in milliseconds. */
const logIntervalMs = 60_000;

/** Notices that the clock is behind what is stamped in the histories: it is wrong, or it was ahead for a while. */
export interface ClockWatch {
  /**
   * Reads what was stamped before this server started, and takes note of what is from now on. Emits once and completes.
   */
  readonly watchStorage: (storage: Storage) => Observable<Storage>;
  /** A history has stamps up to this time. */
  readonly stamped: (latest: number) => void;
  readonly isBehind: () => boolean;
}

export interface ClockWatchPorts {
  readonly clock: Pick<Clock, 'now' | 'scheduler'>;
  /** How far ahead of the clock stamps may be. */
  readonly stampAheadMsMax: number;
  readonly log: ServerLog;
}

export const createClockWatch = ({ clock, stampAheadMsMax, log }: ClockWatchPorts): ClockWatch => {
  let latest = 0;
  const behindMs = (): number => latest - latestStepMs - stampAheadMsMax - clock.now();
  const told = throttleCalls(logIntervalMs, clock.now, (_, ms: number) => {
    log({ level: 'error', event: 'clock-behind', ms });
  });
  const stamped = (time: number): void => {
    latest = Math.max(latest, time);
    if (behindMs() > 0) told(behindMs() + stampAheadMsMax);
  };
  /** A history that writes its own latest stamp does that at the end of its batch. */
  const withLatest = (changes: readonly StorageChange[]): readonly StorageChange[] => {
    const last = changes.at(-1);
    if (last?.type !== 'put' || !/^realm\/[^/]+\/latest$/.test(last.key)) return changes;
    return decodeLatest(last.value) > latest
      ? [...changes, { type: 'put', key: latestStampKey, value: last.value }]
      : changes;
  };
  return {
    stamped,
    isBehind: () => behindMs() > 0,
    watchStorage: (storage) =>
      readValue(storage, latestStampKey).pipe(
        timeout({ first: limits.readyMsMax, scheduler: clock.scheduler }), // What does not answer is told of by others.
        catchError(() => of(0)),
        map((value) => {
          if (typeof value === 'number') stamped(value);
          return { ...storage, batch: (changes, options) => storage.batch(withLatest(changes), options) };
        }),
      ),
  };
};
