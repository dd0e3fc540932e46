import { catchError, concat, filter, from, mergeMap, type Observable, reduce, switchMap } from 'rxjs';
import { isAlive, type ObjectState } from '../merge/object-state.js';
import type { Operation } from '../merge/operation.js';
import { bytesOf, type Changeset, type RejectedWrite } from '../model/changeset.js';
import { StorageError } from '../model/errors.js';
import type { Key, Value } from '../model/value.js';
import { readStoragePages, type Storage, type StorageEntry } from '../storage/storage.js';
import { decodeState } from '../merge/state-codec.js';
import { requireStored } from '../model/stored-data.js';
import { decodeBlock, salvageBlock } from '../store/objects/object-block.js';
import type { ObjectWithState } from '../store/objects/object-change.js';
import { blockKeysTo, blockPrefix, objectKeyOf, objectKeysFrom, objectKeysTo } from '../store/storage-keys.js';
import { type Metadata } from '../store/metadata.js';
import { decodeStoredOperations } from '../store/commit/outbox.js';
import { type KeptRejection } from '../store/rejected/rejected-list.js';
import { rawViewOf } from '../store/objects/object-view.js';
import type { StoredSubscription } from '../store/subscriptions/subscription-set.js';
import { decodeStoredObject, isGoneMark } from '../store/objects/stored-object.js';

/** The selected part of a realm; `null` selects everything. */
export interface InspectSelection {
  readonly type: string | null;
  readonly key: string | null;
  /** The largest number of items of each kind. All are counted. */
  readonly limit: number;
}

/** One object as it is stored, independent of a schema. */
export interface InspectedObject {
  readonly type: string;
  readonly key: Key;
  readonly isDeleted: boolean;
  readonly state: ObjectState;
  readonly values: Readonly<Record<string, Value>>;
}

/** One transaction that waits to be uploaded or was rejected, with its selected operations. */
export interface InspectedChange {
  readonly version: number;
  readonly time: number;
  readonly bytes: number;
  readonly operations: readonly Operation[];
}

export interface InspectedRejection extends InspectedChange {
  readonly id: number;
  readonly writes: readonly RejectedWrite[];
}

/** The number of selected items, including those over the limit. */
export interface InspectedCounts {
  readonly objects: Readonly<Record<string, { readonly living: number; readonly deleted: number }>>;
  readonly changes: number;
  readonly changesBytes: number;
  readonly rejected: number;
}

/** One subscription of a realm. */
export interface InspectedSubscription extends Pick<StoredSubscription, 'id' | 'name' | 'type' | 'filter'> {
  /** Whether the objects that it selects are here. */
  readonly isPlaced: boolean;
}

/** The subscriptions of a realm, and the view that its objects are of. */
export interface InspectedView {
  /** Number of the latest set. */
  readonly set: number;
  /** Number of the set whose objects are here; `null`: of none. */
  readonly placed: number | null;
  /** Id of the scope in which the server has sent the objects; `null`: none. */
  readonly scope: string | null;
  /** Objects that are here only until their changes are uploaded. */
  readonly detached: number;
  readonly subscriptions: readonly InspectedSubscription[];
}

/** The items of a realm, in this order. `damaged` is the message about a damaged record in a salvage. */
export type InspectedItem =
  | { readonly realm: Metadata & { readonly written: number } }
  | { readonly view: InspectedView }
  | { readonly object: InspectedObject }
  | { readonly change: InspectedChange }
  | { readonly rejected: InspectedRejection }
  | { readonly damaged: string }
  | { readonly counts: InspectedCounts };

const pageLimits = { limit: 1_000, bytesMax: 1024 * 1024 };

export const createMatcher =
  ({ type, key }: InspectSelection) =>
  (one: { readonly type: string; readonly key: Key }): boolean =>
    (type === null || one.type === type) && (key === null || String(one.key) === key);

/** Counts items, and selects those of each kind up to the limit. */
export const createCounts = (selection: InspectSelection) => {
  const objects: Record<string, { living: number; deleted: number }> = {};
  const counts = { objects, changes: 0, changesBytes: 0, rejected: 0 };
  let shown = 0;
  return {
    counts,
    object: ({ type, isDeleted }: InspectedObject): boolean => {
      const ofType = (objects[type] ??= { living: 0, deleted: 0 });
      ofType[isDeleted ? 'deleted' : 'living'] += 1;
      // A deleted object is shown only when its key is selected.
      return (!isDeleted || selection.key !== null) && ++shown <= selection.limit;
    },
    change: ({ bytes }: InspectedChange): boolean => {
      counts.changesBytes += bytes;
      return ++counts.changes <= selection.limit;
    },
    rejected: (): boolean => ++counts.rejected <= selection.limit,
  };
};

/** Returns the items that `work` reads. Throws, or returns the damage as an item, when it throws a `StorageError`. */
export type Attempt = (work: () => readonly InspectedItem[]) => readonly InspectedItem[];

export const throwDamage: Attempt = (work) => work();

export const showDamage: Attempt = (work) => {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof StorageError) return [{ damaged: thrown.message }];
    throw thrown;
  }
};

/** Emits an error as an item in a salvage. */
export const showStreamDamage =
  (attempt: Attempt) =>
  (items$: Observable<InspectedItem>): Observable<InspectedItem> =>
    items$.pipe(
      catchError((thrown: unknown) =>
        from(
          attempt(() => {
            throw thrown;
          }),
        ),
      ),
    );

export const readRecords = (storage: Storage, first: string, end: string): Observable<StorageEntry> =>
  readStoragePages(storage, { from: first, to: end, ...pageLimits }).pipe(mergeMap((entries) => from(entries)));

/** Selects and counts items. */
export interface InspectReader {
  readonly storage: Storage;
  readonly attempt: Attempt;
  readonly matches: ReturnType<typeof createMatcher>;
  readonly count: ReturnType<typeof createCounts>;
}

export const objectItemsOf = ({ matches, count }: InspectReader, object: ObjectWithState): readonly InspectedItem[] => {
  const found = { ...object, isDeleted: !isAlive(object.state), values: rawViewOf(object.state) };
  return matches(found) && count.object(found) ? [{ object: found }] : [];
};

/** Reads the objects of a block that have no record of their own. A damaged block may have readable states. */
const blockItemsOf = (
  reader: InspectReader,
  [storageKey, record]: StorageEntry,
  replaced: ReadonlySet<string>,
): readonly InspectedItem[] => {
  const { attempt } = reader;
  let whole = null as ReturnType<typeof decodeBlock> | null;
  const damage = attempt(() => {
    whole = decodeBlock(storageKey, record);
    return [];
  });
  const { states, rows } = whole ?? salvageBlock(record);
  const items = rows
    .filter(({ type, key }) => !replaced.has(objectKeyOf(type, key)))
    .flatMap(({ type, key, from: start, to }) =>
      attempt(() => {
        const state = requireStored(decodeState(states.subarray(start, to)), type, key);
        return objectItemsOf(reader, { type, key, state });
      }),
    );
  return [...damage, ...items];
};

/** Reads all objects. Reads the single records twice: their keys are needed before the blocks. */
export const readObjects = (reader: InspectReader): Observable<InspectedItem> => {
  const { storage, attempt } = reader;
  const records$ = readRecords(storage, objectKeysFrom, objectKeysTo);
  return records$.pipe(
    reduce((keys, [key]) => keys.add(key), new Set<string>()),
    switchMap((replaced) =>
      concat(
        readRecords(storage, blockPrefix, blockKeysTo).pipe(
          mergeMap((entry) => from(blockItemsOf(reader, entry, replaced))),
        ),
        records$.pipe(
          filter(([, bytes]) => !isGoneMark(bytes)),
          mergeMap((entry) => from(attempt(() => objectItemsOf(reader, decodeStoredObject(entry))))),
        ),
      ),
    ),
  );
};

const changeOf = (changeset: Changeset, operations: readonly Operation[]): InspectedChange => ({
  version: changeset.version,
  time: changeset.time,
  bytes: bytesOf(changeset),
  operations,
});

export const changeItemsOf = ({ matches, count }: InspectReader, changeset: Changeset): readonly InspectedItem[] => {
  const change = changeOf(changeset, decodeStoredOperations(changeset).filter(matches));
  return change.operations.length > 0 && count.change(change) ? [{ change }] : [];
};

export const rejectionItemsOf = (
  { matches, count }: InspectReader,
  { id, changeset, writes, operations }: KeptRejection,
): readonly InspectedItem[] => {
  const change = changeOf(changeset, operations.filter(matches));
  return change.operations.length > 0 && count.rejected() ? [{ rejected: { ...change, id, writes } }] : [];
};
