import { forkJoin, last, map, type Observable, reduce, switchMap } from 'rxjs';
import { type Clock, randomId } from '../clock.js';
import type { Log } from '../log/log.js';
import { decodeState } from '../merge/state.js';
import { bytesOf, type Changeset } from '../model/changeset.js';
import { isLeft } from '../model/result.js';
import { fingerprintOf, type Shapes } from '../model/schema.js';
import type { Storage, StorageEntry } from '../storage/storage.js';
import { createFingerprint, fingerprintPut, storedFingerprint } from './fingerprint.js';
import { damaged, openOutbox } from './outbox.js';
import { pagesAfter, pagesIn } from './pages.js';
import { objectAt, objectsFrom, objectsTo } from './keys.js';
import { openMeta } from './meta.js';
import { createObjects, type Objects } from './objects.js';
import { createRefusals, keptIn } from './refusals.js';
import { createStore, type Store } from './store.js';
import { storedLimits } from './write-limits.js';

export interface StoreOptions {
  readonly storage: Storage;
  readonly shapes: Shapes;
  readonly clock: Clock;
}

/** Entries a read while opening: large enough to be quick, small enough to stay responsive. */
const page = { limit: 5_000, bytesMax: 4 * 1024 * 1024 };

/** Reads all objects into memory, a page at a time. `isChecked`: they are known to fit the schema. */
const loadObjects = (storage: Storage, objects: Objects, isChecked: boolean): Observable<Objects> =>
  pagesIn(storage, { from: objectsFrom, to: objectsTo, ...page }).pipe(
    map((entries) => entries.forEach((entry) => loadOne(objects, entry, isChecked))),
    last(),
    map(() => objects),
  );

const loadOne = (objects: Objects, [storageKey, bytes]: StorageEntry, isChecked: boolean): void => {
  const place = objectAt(storageKey);
  const state = decodeState(bytes);
  if (!place) throw damaged('an object', `its key is ${storageKey.slice(0, 80)}`);
  if (isLeft(state)) throw damaged(`${place.type} ${place.key}`, state.left);
  objects.load({ ...place, state: state.right }, bytes, isChecked);
};

/** The sizes of everything that waits in the outbox. */
const waitingIn = (outbox: Log<Changeset>): Observable<readonly number[]> =>
  pagesAfter(outbox, outbox.floor).pipe(
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
  openMeta(storage, clock, [fingerprintPut(shapes)]).pipe(
    switchMap((meta) =>
      forkJoin({ outbox: openOutbox(storage), found: storedFingerprint(storage) }).pipe(
        switchMap(({ outbox, found }) =>
          loadObjects(storage, createObjects(shapes), found === fingerprintOf(shapes)).pipe(
            switchMap((objects) =>
              forkJoin({ waiting: waitingIn(outbox), refused: keptIn(storage), now: storedLimits(storage) }).pipe(
                map(({ waiting, refused, now }) =>
                  createStore({
                    ...{ storage, shapes, clock, meta, objects, outbox, waiting },
                    run: randomId(clock),
                    refusals: createRefusals(refused),
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
