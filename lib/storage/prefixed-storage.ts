import { defer, EMPTY, map } from 'rxjs';
import { createClosedError } from './check-changes.js';
import type { Storage, StorageChange, StorageEntry } from './storage.js';

/**
 * Creates a view of the entries of a storage whose keys start with a prefix. The keys of the view are without the
 * prefix. Other entries are neither read nor changed. Closing the view waits for its own batches and does not close the
 * storage.
 *
 * Prefix and key together must be a valid key. The prefix of one view must not be the start of another's.
 */
export const createPrefixedStorage = (storage: Storage, prefix: string): Storage => {
  let closed = false;

  const whileOpen = <A>(call: () => A): A => {
    if (closed) throw createClosedError();
    return call();
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
        return storage.batch([], { durable: false }); // Batches run in order: after this one, all batches of the view are done.
      }),
    ...(storage.lost$ && { lost$: storage.lost$ }),
  };
};
