import { defer, from, ignoreElements, lastValueFrom, type Observable } from 'rxjs';
import { createGroupedWriter } from './write-batching.js';
import { checkChanges, createClosedError } from './check-changes.js';
import type { Storage, StorageChange, StorageEntry, StorageRange } from './storage.js';

/** A database that answers with promises, which reject with a `StorageError`. */
export interface StorageEngine {
  readonly read: (range: StorageRange) => Promise<readonly StorageEntry[]>;
  /** All or none; never called again before it has answered. */
  readonly write: (changes: readonly StorageChange[], durable: boolean) => Promise<void>;
  /** As `Storage.copy`. */
  readonly copy?: (sink: (entries: readonly StorageEntry[]) => Promise<unknown>) => Promise<void>;
  /** Called once, when nothing is under way any more. */
  readonly close: () => Promise<void>;
}

/**
 * The storage on an engine: checks what it is given, writes in order and in groups, and closes behind what is under
 * way.
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

  /** Closing waits for it. */
  const noted = <A>(work: Promise<A>): Promise<A> => {
    const reading = work.finally(() => reads.delete(reading));
    reads.add(reading);
    return reading;
  };

  const release = async (): Promise<void> => {
    await Promise.allSettled([groups.whenIdle(), ...reads]);
    await engine.close();
  };

  const { copy } = engine;
  return {
    range: (range) => whileOpen(() => noted(engine.read(range))),
    batch: (changes, { durable }) =>
      whileOpen(() => groups.write(checkChanges(changes), durable)).pipe(ignoreElements()),
    close: () => defer(() => from((closing ??= release()))).pipe(ignoreElements()),
    ...(copy && {
      copy: (sink) =>
        whileOpen(() => noted(copy((entries) => lastValueFrom(sink(entries), { defaultValue: undefined })))).pipe(
          ignoreElements(),
        ),
    }),
  };
};
