import { BehaviorSubject, concat, defer, firstValueFrom, lastValueFrom, of, type Observable } from 'rxjs';
import type { Log } from '../../lib/log/log.js';
import { openLog, type LogOptions } from '../../lib/log/open-log.js';
import { createDamageError } from '../../lib/model/stored-data.js';
import type { Version } from '../../lib/model/version.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';

export interface Entry {
  readonly version: Version;
  readonly bytes: number;
}

export const createEntry = (version: Version, bytes = 100): Entry => ({ version, bytes });
export const createEntries = (from: Version, to: Version, bytes = 100): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, index) => createEntry(from + index, bytes));

/** A format whose entries have the size that they name and begin with their version. */
export const format: Pick<LogOptions<Entry>, 'encode' | 'decode' | 'sizeOf'> = {
  encode: ({ version, bytes }) => {
    const value = new Uint8Array(Math.max(8, bytes));
    new DataView(value.buffer).setFloat64(0, version);
    return value;
  },
  decode: (key, value) => {
    if (value.byteLength < 8) throw createDamageError('record', key);
    return {
      version: new DataView(value.buffer, value.byteOffset).getFloat64(0),
      bytes: value.byteLength,
    };
  },
  sizeOf: ({ bytes }) => bytes,
};

export const openTestLog = (storage: Storage, more: Partial<LogOptions<Entry>> = {}): Promise<Log<Entry>> =>
  firstValueFrom(openLog({ storage, prefix: 'log/', ...format, ...more }));

/** Appends entries as the owner of a log does: one batch, then the notification. Cold; completes when done. */
export const appendEntries$ = (storage: Storage, log: Log<Entry>, entries: readonly Entry[]): Observable<never> =>
  concat(
    storage.batch(log.toAppendChanges(log.head, entries), { durable: true }),
    defer(() => {
      log.confirmAppend(log.head, entries);
      return [];
    }),
  );
export const appendEntries = (storage: Storage, log: Log<Entry>, entries: readonly Entry[]): Promise<void> =>
  lastValueFrom(appendEntries$(storage, log, entries), { defaultValue: undefined });

export const trimLog = async (storage: Storage, log: Log<Entry>, upTo: Version): Promise<void> => {
  await lastValueFrom(storage.batch(log.toTrimChanges(upTo), { durable: false }), { defaultValue: undefined });
  log.confirmTrim(upTo);
};

/** A storage that counts how often it is read. */
export const createCountingStorage = (): { readonly storage: Storage; readonly reads: () => number } => {
  const storage = memoryStorage();
  let count = 0;
  return {
    storage: {
      ...storage,
      range: (range) =>
        defer(() => {
          count += 1;
          return storage.range(range);
        }),
    },
    reads: () => count,
  };
};

/** A log in memory with one entry a page, whose answers pass through `delay`. The spec moves its head. */
export const createManualLog = (delay: <A>(page: Observable<A>) => Observable<A> = (page) => page) => {
  const head$ = new BehaviorSubject(0);
  let reads = 0;
  return {
    log: {
      get head() {
        return head$.value;
      },
      head$,
      page: (after: Version) =>
        defer(() => {
          reads += 1;
          return delay(of({ entries: [createEntry(after + 1)], upTo: after + 1 }));
        }),
    },
    growTo: (version: Version) => head$.next(version),
    close: () => head$.complete(),
    reads: () => reads,
  };
};
