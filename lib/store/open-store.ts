import { forkJoin, last, map, type Observable, reduce, switchMap } from 'rxjs';
import { type Clock, createRandomId } from '../clock.js';
import type { Log } from '../log/log.js';
import { decodeState } from '../merge/state-codec.js';
import { bytesOf, type Changeset } from '../model/changeset.js';
import { isLeft } from '../model/result.js';
import { fingerprintOf, type Shapes } from '../model/schema.js';
import type { Storage, StorageEntry } from '../storage/storage.js';
import { createFingerprint, toFingerprintPut, readFingerprint } from './objects/schema-fingerprint.js';
import { createCorruptStorageError, openOutbox } from './commit/outbox.js';
import { readLogPages, readStoragePages } from './read-pages.js';
import { parseObjectKey, objectKeysFrom, objectKeysTo } from './storage-keys.js';
import { openMetadata } from './metadata.js';
import { createObjects, type Objects } from './objects/objects.js';
import { createRejectedList, readRejectedList } from './rejected/rejected-list.js';
import { createStore, type Store } from './store.js';
import { readWriteLimits } from './transaction/write-limits.js';

export interface StoreOptions {
  readonly storage: Storage;
  readonly shapes: Shapes;
  readonly clock: Clock;
}

/** Entries a read while opening: large enough to be quick, small enough to stay responsive. */
const pageSize = { limit: 5_000, bytesMax: 4 * 1024 * 1024 };

/** Reads all objects into memory, a page at a time. `isChecked`: they are known to fit the schema. */
const loadObjects = (storage: Storage, objects: Objects, isChecked: boolean): Observable<Objects> =>
  readStoragePages(storage, { from: objectKeysFrom, to: objectKeysTo, ...pageSize }).pipe(
    map((entries) => entries.forEach((entry) => loadObject(objects, entry, isChecked))),
    last(),
    map(() => objects),
  );

const loadObject = (objects: Objects, [storageKey, bytes]: StorageEntry, isChecked: boolean): void => {
  const place = parseObjectKey(storageKey);
  const state = decodeState(bytes);
  if (!place) throw createCorruptStorageError('an object', `its key is ${storageKey.slice(0, 80)}`);
  if (isLeft(state)) throw createCorruptStorageError(`${place.type} ${place.key}`, state.left);
  objects.load({ ...place, state: state.right }, bytes, isChecked);
};

/** The sizes of everything that waits in the outbox. */
const readWaitingSizes = (outbox: Log<Changeset>): Observable<readonly number[]> =>
  readLogPages(outbox, outbox.floor).pipe(
    reduce((all: Changeset[], { entries }) => {
      for (const entry of entries) all.push(entry);
      return all;
    }, []),
    map((all) => {
      outbox.remember(all); // They are about to be uploaded, or, should the storage be lost, to be written again.
      return all.map(bytesOf);
    }),
  );

/**
 * Opens the realm on a storage, or makes one where there is nothing. Cold; emits once and completes; errors with a
 * `StorageError` for what it cannot read, and leaves that as it is.
 */
export const openStore = ({ storage, shapes, clock }: StoreOptions): Observable<Store> =>
  openMetadata(storage, clock, [toFingerprintPut(shapes)]).pipe(
    switchMap((meta) =>
      forkJoin({ outbox: openOutbox(storage), found: readFingerprint(storage) }).pipe(
        switchMap(({ outbox, found }) =>
          loadObjects(storage, createObjects(shapes), found === fingerprintOf(shapes)).pipe(
            switchMap((objects) =>
              forkJoin({
                waiting: readWaitingSizes(outbox),
                refused: readRejectedList(storage),
                now: readWriteLimits(storage),
              }).pipe(
                map(({ waiting, refused, now }) =>
                  createStore({
                    ...{ storage, shapes, clock, metadata: meta, objects, outbox, waitingSizes: waiting },
                    runId: createRandomId(clock),
                    rejectedList: createRejectedList(refused),
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
