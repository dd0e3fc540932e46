import { defer, EMPTY, map } from 'rxjs';
import { createClosedError } from './check-changes.js';
import type { Storage, StorageChange, StorageEntry } from './storage.js';

/**
 * A view of a storage under a key prefix: its keys are those of the storage that start with it, without it. Nothing
 * outside the prefix is read or changed. Closing it waits for its own batches and closes nothing but the view.
 *
 * Prefix and key together have to be a key of the storage. No prefix of one view may be the start of another's.
 */
export const createPrefixedStorage = (storage: Storage, prefix: string): Storage => {
  let closed = false;

  const whileOpen = <A>(described: () => A): A => {
    if (closed) throw createClosedError();
    return described();
  };
  const outside = (change: StorageChange): StorageChange => ({ ...change, key: change.key && prefix + change.key });
  const inside = ([key, value]: StorageEntry): StorageEntry => [key.slice(prefix.length), value];

  return {
    range: (range) =>
      defer(() => whileOpen(() => storage.range({ ...range, from: prefix + range.from, to: prefix + range.to }))).pipe(
        map((entries) => entries.map(inside)),
      ),
    batch: (changes, options) => defer(() => whileOpen(() => storage.batch(changes.map(outside), options))),
    close: () =>
      defer(() => {
        if (closed) return EMPTY;
        closed = true;
        return storage.batch([], { durable: false }); // Batches are in order: after this one, all of ours are done.
      }),
    ...(storage.lost$ && { lost$: storage.lost$ }),
  };
};
