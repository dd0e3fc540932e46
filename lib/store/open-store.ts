import { concat, defer, forkJoin, last, map, type Observable, of, reduce, type Subject, switchMap } from 'rxjs';
import { type Clock, createRandomId } from '../clock.js';
import type { Log } from '../log/log.js';
import { bytesOf, type Changeset } from '../model/changeset.js';
import { fingerprintOf, type Shapes } from '../model/schema.js';
import { isSameValue } from '../model/value.js';
import { readRecord, readStoragePages, type Storage, type StorageEntry, type StoragePut } from '../storage/storage.js';
import { createFingerprint, toFingerprintPut, readFingerprint } from './objects/schema-fingerprint.js';
import { openOutbox } from './commit/outbox.js';
import { readLogPages } from '../log/read-log-pages.js';
import { blockKeysTo, blockPrefix, metadataKey, objectKeysFrom, objectKeysTo, parseObjectKey } from './storage-keys.js';
import { openMetadata } from './metadata.js';
import { createObjects, type Objects } from './objects/objects.js';
import type { ChangesByType } from './objects/object-change.js';
import { decodeStoredObject, isGoneMark } from './objects/stored-object.js';
import { createRejectedList, readRejectedList } from './rejected/rejected-list.js';
import { createLocalStore, createStore, type LocalStore, type Store } from './store.js';
import { type CommitContext, createCommitContext } from './commit/commit-context.js';
import { leaveView } from './subscriptions/leave-view.js';
import type { OpenViews } from './subscriptions/open-views.js';
import { readWriteLimits } from './transaction/write-limits.js';

export interface StoreOptions {
  readonly storage: Storage;
  readonly shapes: Shapes;
  readonly clock: Clock;
  /**
   * The objects that this tab has mirrored while another tab had the storage.
   *
   * @defaultValue everything is read from the storage
   */
  readonly mirrored?: MirroredObjects | undefined;
  /**
   * Opens the realm with subscriptions: `openViews`. An option, so that bundles of realms without subscriptions have no
   * code of them.
   *
   * @defaultValue the realm has none: its objects are those of the whole realm
   */
  readonly views?: OpenViews | undefined;
}

/** The objects that a tab has mirrored, and its readers, who stay when the store is opened and closed. */
export interface MirroredObjects {
  /** Nothing is staged. With the same shapes as the store. */
  readonly objects: Objects;
  /** Emits the changes of objects to readers. The store does not complete it. */
  readonly changes: Subject<ChangesByType>;
  /**
   * The metadata record of the last batch that was mirrored. If the storage has another one, the objects are read from
   * it, and readers get the difference. `null`: nothing was mirrored, so that the objects are empty and have no
   * readers.
   */
  readonly stamp: Uint8Array | null;
}

/** Entries per read while opening: large enough to be fast, small enough to stay responsive. */
const pageSize = { limit: 5_000, bytesMax: 4 * 1024 * 1024 };

const readBlocks = (storage: Storage): Observable<readonly StorageEntry[]> =>
  readStoragePages(storage, { from: blockPrefix, to: blockKeysTo, ...pageSize });

const readSingleObjects = (storage: Storage): Observable<readonly StorageEntry[]> =>
  readStoragePages(storage, { from: objectKeysFrom, to: objectKeysTo, ...pageSize });

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
    readBlocks(storage).pipe(
      map((entries) => entries.forEach(([key, record]) => objects.loadBlock(key, record, isChecked))),
    ),
    readSingleObjects(storage).pipe(
      map((entries) => entries.forEach((entry) => loadObject(objects, entry, isChecked))),
    ),
  ).pipe(
    last(),
    map(() => objects),
  );

/** Reads all objects again, and notifies readers of the difference to the mirrored ones. */
const reloadObjects = (
  storage: Storage,
  { objects, changes }: MirroredObjects,
  isChecked: boolean,
): Observable<Objects> =>
  concat(readBlocks(storage), readSingleObjects(storage)).pipe(
    reduce((all: StoragePut[], entries) => {
      for (const [key, value] of entries) all.push({ type: 'put', key, value });
      return all;
    }, []),
    map((records) => {
      objects.mirrorAll(records, isChecked);
      const changed = objects.takeChanges();
      if (changed.size > 0) changes.next(changed);
      return objects;
    }),
  );

/** Returns the objects of the storage: mirrored ones, if the last mirrored batch is the last one that was stored. */
const openObjects = ({ storage, shapes, mirrored }: StoreOptions, isChecked: boolean): Observable<Objects> => {
  if (!mirrored?.stamp) return loadObjects(storage, mirrored?.objects ?? createObjects(shapes), isChecked);
  const { stamp, objects } = mirrored;
  return readRecord(storage, metadataKey, (_, bytes) => isSameValue(bytes, stamp), false).pipe(
    switchMap((isLatest) => (isLatest ? of(objects) : reloadObjects(storage, mirrored, isChecked))),
  );
};

/** Reads the sizes of all changesets in the outbox. */
const readWaitingSizes = (outbox: Log<Changeset>): Observable<readonly number[]> =>
  readLogPages(outbox.floor, outbox.page).pipe(
    reduce((all: number[], { entries }) => {
      for (const entry of entries) all.push(bytesOf(entry));
      return all;
    }, []),
  );

/** Reads the realm in a storage. See `openStore`. */
const openContext = (options: StoreOptions): Observable<CommitContext> => {
  const { storage, shapes, clock, mirrored } = options;
  return openMetadata(storage, clock, [toFingerprintPut(shapes)]).pipe(
    switchMap((meta) =>
      forkJoin({ outbox: openOutbox(storage), found: readFingerprint(storage) }).pipe(
        switchMap(({ outbox, found }) =>
          forkJoin({
            waiting: readWaitingSizes(outbox),
            rejected: readRejectedList(storage),
            now: readWriteLimits(storage),
            createViews: options.views?.(options) ?? of(undefined),
          }).pipe(
            switchMap(({ waiting, rejected, now, createViews }) =>
              // Last, because readers of mirrored objects see them at once.
              openObjects(options, found === fingerprintOf(shapes)).pipe(
                map((objects) =>
                  createCommitContext({
                    ...{ storage, shapes, clock, metadata: meta, objects, outbox, waitingSizes: waiting },
                    runId: createRandomId(clock),
                    rejectedList: createRejectedList(rejected),
                    writeLimits: { now },
                    fingerprint: createFingerprint(shapes, objects, found),
                    changes: mirrored?.changes,
                    createViews,
                  }),
                ),
              ),
            ),
          ),
        ),
      ),
    ),
  );
};

/**
 * Opens the realm in a storage, or creates one in an empty storage. Cold; emits once and completes. Errors with a
 * `StorageError` for unreadable data, which stays as it is.
 */
export const openStore = (options: StoreOptions): Observable<Store> =>
  openContext(options).pipe(
    switchMap((context) => {
      const store$ = defer(() => of(createStore(context)));
      return options.views || !context.durable().hasView ? store$ : concat(leaveView(context), store$);
    }),
  );

/** Opens a realm as `openStore` does, without a session. Bundles of local realms contain no code of sessions. */
export const openLocalStore = (options: StoreOptions): Observable<LocalStore> =>
  openContext(options).pipe(map(createLocalStore));
