import { concat, defer, filter, from, map, mergeMap, type Observable, of, switchMap, throwError } from 'rxjs';
import { systemClock } from '../clock.js';
import { isAlive, type ObjectState } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import { decodeState } from '../merge/state.js';
import { bytesOf, type Changeset, type RefusedWrite } from '../model/changeset.js';
import { StorageError } from '../model/errors.js';
import { isLeft } from '../model/result.js';
import type { Key, Value } from '../model/value.js';
import { rangeAt, type Storage, type StorageEntry } from '../storage/storage.js';
import { metaKey, objectAt, objectsFrom, objectsTo } from '../store/keys.js';
import { type Meta, openMeta } from '../store/meta.js';
import { damaged, openOutbox, operationsIn } from '../store/outbox.js';
import { pagesAfter, pagesIn } from '../store/pages.js';
import { keptIn } from '../store/refusals.js';
import { rawViewOf } from '../store/views.js';

/** What is asked for; `null`: everything. */
export interface Wanted {
  readonly type: string | null;
  readonly key: string | null;
  /** Of each kind. All are counted. */
  readonly limit: number;
}

/** One object as it is stored, whatever the schema. */
export interface FoundObject {
  readonly type: string;
  readonly key: Key;
  readonly isDeleted: boolean;
  readonly state: ObjectState;
  readonly values: Readonly<Record<string, Value>>;
}

/** One transaction that waits to be uploaded, or was refused; of its operations those that were asked for. */
export interface FoundChange {
  readonly version: number;
  readonly time: number;
  readonly bytes: number;
  readonly operations: readonly Operation[];
}

export interface FoundRefused extends FoundChange {
  readonly id: number;
  readonly writes: readonly RefusedWrite[];
}

/** How many there are, of what was asked for; a limit leaves out the rest. */
export interface Counts {
  readonly objects: Readonly<Record<string, { readonly living: number; readonly deleted: number }>>;
  readonly changes: number;
  readonly changesBytes: number;
  readonly refused: number;
}

/** What is in a realm, in this order. */
export type Found =
  | { readonly realm: Meta & { readonly written: number } }
  | { readonly object: FoundObject }
  | { readonly change: FoundChange }
  | { readonly refused: FoundRefused }
  | { readonly counts: Counts };

const page = { limit: 1_000, bytesMax: 1024 * 1024 };

/** Refuses every change: a realm that is looked at stays as it is. */
const readOnly = ({ range, close }: Storage): Storage => ({
  range,
  close,
  batch: () => throwError(() => new StorageError('a realm that is inspected is not written')),
});

const matching =
  ({ type, key }: Wanted) =>
  (one: { readonly type: string; readonly key: Key }): boolean =>
    (type === null || one.type === type) && (key === null || String(one.key) === key);

const objectIn = ([storageKey, bytes]: StorageEntry): FoundObject => {
  const place = objectAt(storageKey);
  if (!place) throw damaged('an object', `its key is ${storageKey.slice(0, 80)}`);
  const state = decodeState(bytes);
  if (isLeft(state)) throw damaged(`${place.type} ${place.key}`, state.left);
  return { ...place, isDeleted: !isAlive(state.right), state: state.right, values: rawViewOf(state.right) };
};

const objectsIn = (storage: Storage): Observable<FoundObject> =>
  pagesIn(storage, { from: objectsFrom, to: objectsTo, ...page }).pipe(
    mergeMap((entries) => from(entries)),
    map(objectIn),
  );

const operationsOf = (changeset: Changeset): readonly Operation[] =>
  operationsIn(changeset, `change ${changeset.version} that waits to be uploaded`);

const changeOf = (changeset: Changeset, operations: readonly Operation[]): FoundChange => ({
  version: changeset.version,
  time: changeset.time,
  bytes: bytesOf(changeset),
  operations,
});

/** The realm itself. An empty storage, which would become one, is refused by `readOnly`, but not in words for this. */
const metaOf = (storage: Storage): Observable<Meta> =>
  storage.range(rangeAt(metaKey)).pipe(
    switchMap(({ length }) => {
      const nothing = 'There is no realm in this database: nobody has ever opened one here.';
      return length > 0 ? openMeta(storage, systemClock) : throwError(() => new StorageError(nothing));
    }),
  );

/** Counts what is found, and lets through as much of each kind as was asked for. */
const counting = (wanted: Wanted) => {
  const objects: Record<string, { living: number; deleted: number }> = {};
  const counts = { objects, changes: 0, changesBytes: 0, refused: 0 };
  let shown = 0;
  return {
    counts,
    object: ({ type, isDeleted }: FoundObject): boolean => {
      const ofType = (objects[type] ??= { living: 0, deleted: 0 });
      ofType[isDeleted ? 'deleted' : 'living'] += 1;
      // What is left of a deleted object is shown to who asks for it by name.
      return (!isDeleted || wanted.key !== null) && ++shown <= wanted.limit;
    },
    change: ({ bytes }: FoundChange): boolean => {
      counts.changesBytes += bytes;
      return ++counts.changes <= wanted.limit;
    },
    refused: (): boolean => ++counts.refused <= wanted.limit,
  };
};

/**
 * Reads a realm without its schema, a page at a time. Cold; completes; errors with a `StorageError` for what is no realm or is
 * damaged, after what could be read before. It changes nothing.
 */
export const inspected = (given: Storage, wanted: Wanted): Observable<Found> =>
  defer(() => {
    const storage = readOnly(given);
    const matches = matching(wanted);
    const count = counting(wanted);
    const some = ({ operations }: FoundChange): boolean => operations.length > 0;
    return metaOf(storage).pipe(
      switchMap((meta) =>
        openOutbox(storage).pipe(
          switchMap((outbox) =>
            concat(
              of({ realm: { ...meta, written: outbox.head } }),
              objectsIn(storage).pipe(
                filter((object) => matches(object) && count.object(object)),
                map((object) => ({ object })),
              ),
              pagesAfter(outbox, outbox.floor).pipe(
                mergeMap(({ entries }) => from(entries)),
                map((changeset) => changeOf(changeset, operationsOf(changeset).filter(matches))),
                filter((change) => some(change) && count.change(change)),
                map((change) => ({ change })),
              ),
              keptIn(storage).pipe(
                mergeMap((all) => from(all)),
                map(({ id, changeset, writes, operations }) => ({
                  ...changeOf(changeset, operations.filter(matches)),
                  ...{ id, writes },
                })),
                filter((refused) => some(refused) && count.refused()),
                map((refused) => ({ refused })),
              ),
              defer(() => of({ counts: count.counts })),
            ),
          ),
        ),
      ),
    );
  });
