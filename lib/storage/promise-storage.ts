import { defer, from, ignoreElements, lastValueFrom, type Observable } from 'rxjs';
import { createGroupedWriter } from './write-batching.js';
import { checkChanges, createClosedError } from './check-changes.js';
import type { Storage, StorageChange, StorageEntry, StorageRange } from './storage.js';

/** A database whose methods return promises that reject with a `StorageError`. */
export interface StorageEngine {
  readonly read: (range: StorageRange) => Promise<readonly StorageEntry[]>;
  /** As `Storage.readMany`. */
  readonly readMany?: (keys: readonly string[]) => Promise<readonly (Uint8Array | undefined)[]>;
  /** Writes all or none. Never called again before its promise has settled. */
  readonly write: (changes: readonly StorageChange[], durable: boolean) => Promise<void>;
  /** As `Storage.copy`. */
  readonly copy?: (sink: (entries: readonly StorageEntry[]) => Promise<unknown>) => Promise<void>;
  /** Called once, when no other call is running. */
  readonly close: () => Promise<void>;
}

/**
 * Creates a storage on an engine: checks batches, writes them in order and in groups, and closes after all running
 * calls.
 */
export const createPromiseStorage = (engine: StorageEngine): Storage => {
  const groups = createGroupedWriter(engine.write);
  const reads = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;

  const whileOpen = <A>(work: () => Promise<A>): Observable<A> =>
    defer(() => {
      if (closing !== undefined) throw createClosedError();
      return from(work());
    });

  /** Registers a read, so that closing waits for it. */
  const trackRead = <A>(work: Promise<A>): Promise<A> => {
    const reading = work.finally(() => reads.delete(reading));
    reads.add(reading);
    return reading;
  };

  const release = async (): Promise<void> => {
    await Promise.allSettled([groups.whenIdle(), ...reads]);
    await engine.close();
  };

  const { copy, readMany } = engine;
  return {
    isAsynchronous: true,
    range: (range) => whileOpen(() => trackRead(engine.read(range))),
    ...(readMany && { readMany: (keys) => whileOpen(() => trackRead(readMany(keys))) }),
    batch: (changes, { durable }) =>
      whileOpen(() => groups.write(checkChanges(changes), durable)).pipe(ignoreElements()),
    close: () => defer(() => from((closing ??= release()))).pipe(ignoreElements()),
    ...(copy && {
      copy: (sink) =>
        whileOpen(() => trackRead(copy((entries) => lastValueFrom(sink(entries), { defaultValue: undefined })))).pipe(
          ignoreElements(),
        ),
    }),
  };
};
