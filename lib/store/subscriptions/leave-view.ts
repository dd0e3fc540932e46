import { map, type Observable, reduce, switchMap } from 'rxjs';
import { readStoragePages, type StorageChange } from '../../storage/storage.js';
import type { CommitContext } from '../commit/commit-context.js';
import { detachedKeysTo, detachedPrefix, viewKey } from '../storage-keys.js';

/**
 * Makes a realm of a view, which is opened without subscriptions, a full one: everything is downloaded again, the
 * replica's own changes included. The objects stay until then, and unsent changes stay. Completes when that is durable.
 */
export const leaveView = (context: CommitContext): Observable<never> => {
  const { optimistic, storage } = context;
  return readStoragePages(storage, { from: detachedPrefix, to: detachedKeysTo, limit: 5_000, bytesMax: Infinity }).pipe(
    reduce((all: string[], entries) => [...all, ...entries.map(([key]) => key)], [viewKey]),
    map((keys) => keys.map((key): StorageChange => ({ type: 'del', key }))),
    switchMap((changes) => {
      optimistic.downloadedTo = 0;
      optimistic.includeOwn = true;
      const from = { downloadedTo: 0, downloadedBytes: 0, headBytes: 0, includeOwn: true, forgottenBefore: 0 };
      return context.commit({
        changes,
        metadata: { ...from, hasView: false, rejectedUpTo: 0 },
        durable: true,
        stored: () => undefined,
      });
    }),
  );
};
