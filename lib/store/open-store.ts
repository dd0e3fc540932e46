import { concat, forkJoin, last, map, type Observable, reduce, switchMap } from 'rxjs';
import { type Clock, createRandomId } from '../clock.js';
import type { Log } from '../log/log.js';
import { bytesOf, type Changeset } from '../model/changeset.js';
import { fingerprintOf, type Shapes } from '../model/schema.js';
import { readStoragePages, type Storage, type StorageEntry } from '../storage/storage.js';
import { createFingerprint, toFingerprintPut, readFingerprint } from './objects/schema-fingerprint.js';
import { openOutbox } from './commit/outbox.js';
import { readLogPages } from '../log/read-log-pages.js';
import { blockKeysTo, blockPrefix, objectKeysFrom, objectKeysTo, parseObjectKey } from './storage-keys.js';
import { openMetadata } from './metadata.js';
import { createObjects, type Objects } from './objects/objects.js';
import { decodeStoredObject, isGoneMark } from './objects/stored-object.js';
import { createRejectedList, readRejectedList } from './rejected/rejected-list.js';
import { createLocalStore, createStore, type LocalStore, type Store } from './store.js';
import { type CommitContext, createCommitContext } from './commit/commit-context.js';
import { readWriteLimits } from './transaction/write-limits.js';

export interface StoreOptions {
  readonly storage: Storage;
  readonly shapes: Shapes;
  readonly clock: Clock;
}

/** Entries per read while opening: large enough to be fast, small enough to stay responsive. */
const pageSize = { limit: 5_000, bytesMax: 4 * 1024 * 1024 };

const loadObject = (objects: Objects, entry: StorageEntry, isChecked: boolean): void => {
  const [storageKey, bytes] = entry;
  if (isGoneMark(bytes)) {
    const { type, key } = parseObjectKey(storageKey);
    objects.loadGone(type, key);
  } else objects.load(decodeStoredObject(entry), bytes, isChecked);
};

/**
 * Reads all objects into memory, page by page: blocks first, then the records that replace rows of them. `isChecked`:
 * the objects are known to fit the schema.
 */
const loadObjects = (storage: Storage, objects: Objects, isChecked: boolean): Observable<Objects> =>
  concat(
    readStoragePages(storage, { from: blockPrefix, to: blockKeysTo, ...pageSize }).pipe(
      map((entries) => entries.forEach(([key, record]) => objects.loadBlock(key, record, isChecked))),
    ),
    readStoragePages(storage, { from: objectKeysFrom, to: objectKeysTo, ...pageSize }).pipe(
      map((entries) => entries.forEach((entry) => loadObject(objects, entry, isChecked))),
    ),
  ).pipe(
    last(),
    map(() => objects),
  );

/** Reads the sizes of all changesets in the outbox. */
const readWaitingSizes = (outbox: Log<Changeset>): Observable<readonly number[]> =>
  readLogPages(outbox.floor, outbox.page).pipe(
    reduce((all: number[], { entries }) => {
      for (const entry of entries) all.push(bytesOf(entry));
      return all;
    }, []),
  );

/** Reads the realm in a storage. See `openStore`. */
const openContext = ({ storage, shapes, clock }: StoreOptions): Observable<CommitContext> =>
  openMetadata(storage, clock, [toFingerprintPut(shapes)]).pipe(
    switchMap((meta) =>
      forkJoin({ outbox: openOutbox(storage), found: readFingerprint(storage) }).pipe(
        switchMap(({ outbox, found }) =>
          loadObjects(storage, createObjects(shapes), found === fingerprintOf(shapes)).pipe(
            switchMap((objects) =>
              forkJoin({
                waiting: readWaitingSizes(outbox),
                rejected: readRejectedList(storage),
                now: readWriteLimits(storage),
              }).pipe(
                map(({ waiting, rejected, now }) =>
                  createCommitContext({
                    ...{ storage, shapes, clock, metadata: meta, objects, outbox, waitingSizes: waiting },
                    runId: createRandomId(clock),
                    rejectedList: createRejectedList(rejected),
                    writeLimits: { now },
                    fingerprint: createFingerprint(shapes, objects, found),
                  }),
                ),
              ),
            ),
          ),
        ),
      ),
    ),
  );

/**
 * Opens the realm in a storage, or creates one in an empty storage. Cold; emits once and completes. Errors with a
 * `StorageError` for unreadable data, which stays as it is.
 */
export const openStore = (options: StoreOptions): Observable<Store> => openContext(options).pipe(map(createStore));

/** Opens a realm as `openStore` does, without a session. Bundles of local realms contain no code of sessions. */
export const openLocalStore = (options: StoreOptions): Observable<LocalStore> =>
  openContext(options).pipe(map(createLocalStore));
