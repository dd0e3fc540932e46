import { catchError, map, of, timeout, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import { serverLimits } from '../server-limits.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import { readManyPartOf } from '../../storage/read-many.js';
import { wrapStorage } from '../../storage/wrap-storage.js';
import { decodeLatest, latestStepMs, readValue } from '../history/record-codec.js';
import { throttleCalls, type ServerLog } from '../http/server-events.js';

/** Key of the latest stamp of all realms. Keys of realms start with `realm/`. */
const latestStampKey = 'latest';

/** Milliseconds between two log entries. */
const logIntervalMs = 60_000;

/** Notices that the server's clock is behind the stamps in the histories: it is wrong now, or was ahead for a while. */
export interface ClockWatch {
  /**
   * Reads the latest stamp from before this start, and records later ones from now on. Emits the storage once and
   * completes.
   */
  readonly watchStorage: (storage: Storage) => Observable<Storage>;
  /** Notes that a history has stamps up to this time. */
  readonly stamped: (latest: number) => void;
  readonly isBehind: () => boolean;
}

export interface ClockWatchPorts {
  readonly clock: Pick<Clock, 'now' | 'scheduler'>;
  /** Milliseconds that stamps may be ahead of the clock. */
  readonly stampAheadMsMax: number;
  readonly log: ServerLog;
}

export const createClockWatch = ({ clock, stampAheadMsMax, log }: ClockWatchPorts): ClockWatch => {
  let latest = 0;
  const behindMs = (): number => latest - latestStepMs - stampAheadMsMax - clock.now();
  const logBehind = throttleCalls(logIntervalMs, clock.now, (_, ms: number) => {
    log({ level: 'error', event: 'clock-behind', ms });
  });
  const stamped = (time: number): void => {
    latest = Math.max(latest, time);
    if (behindMs() > 0) logBehind(behindMs() + stampAheadMsMax);
  };
  /** Adds the latest stamp of all realms to a batch. A history writes its own latest stamp at the end of its batch. */
  const withLatest = (changes: readonly StorageChange[]): readonly StorageChange[] => {
    const last = changes.at(-1);
    if (last?.type !== 'put' || !/^realm\/[^/]+\/latest$/.test(last.key)) return changes;
    return decodeLatest(last.key, last.value) > latest
      ? [...changes, { type: 'put', key: latestStampKey, value: last.value }]
      : changes;
  };
  return {
    stamped,
    isBehind: () => behindMs() > 0,
    watchStorage: (storage) =>
      readValue(storage, latestStampKey).pipe(
        // Other parts report a storage that does not answer. A damaged record is ignored, because it only warns before
        // a realm is opened: each realm has a latest stamp of its own.
        timeout({ first: serverLimits.readyMsMax, scheduler: clock.scheduler }),
        catchError(() => of(0)),
        map((value) => {
          if (typeof value === 'number') stamped(value);
          return wrapStorage(storage, {
            ...readManyPartOf(storage),
            batch: (changes, options) => storage.batch(withLatest(changes), options),
          });
        }),
      ),
  };
};
