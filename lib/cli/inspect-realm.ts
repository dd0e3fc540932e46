import { concat, defer, filter, from, map, mergeMap, type Observable, of, reduce, switchMap, throwError } from 'rxjs';
import { systemClock } from '../clock.js';
import { isAlive, type ObjectState } from '../merge/object-state.js';
import type { Operation } from '../merge/operation.js';
import { bytesOf, type Changeset, type RejectedWrite } from '../model/changeset.js';
import { StorageError } from '../model/errors.js';
import type { Key, Value } from '../model/value.js';
import { readLogPages } from '../log/read-log-pages.js';
import { keyRangeOf, readStoragePages, type Storage, type StorageEntry } from '../storage/storage.js';
import { decodeState } from '../merge/state-codec.js';
import { requireStored } from '../model/stored-data.js';
import { decodeBlock } from '../store/objects/object-block.js';
import type { ObjectWithState } from '../store/objects/object-change.js';
import {
  blockKeysTo,
  blockPrefix,
  metadataKey,
  objectKeyOf,
  objectKeysFrom,
  objectKeysTo,
} from '../store/storage-keys.js';
import { type Metadata, openMetadata } from '../store/metadata.js';
import { decodeStoredOperations, openOutbox } from '../store/commit/outbox.js';
import { readRejectedList } from '../store/rejected/rejected-list.js';
import { rawViewOf } from '../store/objects/object-view.js';
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

/** The items of a realm, in this order. */
export type InspectedItem =
  | { readonly realm: Metadata & { readonly written: number } }
  | { readonly object: InspectedObject }
  | { readonly change: InspectedChange }
  | { readonly rejected: InspectedRejection }
  | { readonly counts: InspectedCounts };

const pageLimits = { limit: 1_000, bytesMax: 1024 * 1024 };

/** Rejects every change, so that the inspected realm stays unchanged. */
const toReadOnly = ({ range, close }: Storage): Storage => ({
  range,
  close,
  batch: () => throwError(() => new StorageError('An inspected realm must not be written.')),
});

const createMatcher =
  ({ type, key }: InspectSelection) =>
  (one: { readonly type: string; readonly key: Key }): boolean =>
    (type === null || one.type === type) && (key === null || String(one.key) === key);

const inspectedOf = (object: ObjectWithState): InspectedObject => ({
  ...object,
  isDeleted: !isAlive(object.state),
  values: rawViewOf(object.state),
});

const readSingleRecords = (storage: Storage): Observable<StorageEntry> =>
  readStoragePages(storage, { from: objectKeysFrom, to: objectKeysTo, ...pageLimits }).pipe(
    mergeMap((entries) => from(entries)),
  );

/** Reads the objects of all blocks that have no record of their own. */
const readBlockObjects = (storage: Storage, replaced: ReadonlySet<string>): Observable<InspectedObject> =>
  readStoragePages(storage, { from: blockPrefix, to: blockKeysTo, ...pageLimits }).pipe(
    mergeMap((entries) => from(entries)),
    mergeMap(([storageKey, record]) => {
      const { states, rows } = decodeBlock(storageKey, record);
      return from(rows).pipe(
        filter(({ type, key }) => !replaced.has(objectKeyOf(type, key))),
        map(({ type, key, from: start, to }) => {
          const state = requireStored(decodeState(states.subarray(start, to)), type, key);
          return inspectedOf({ type, key, state });
        }),
      );
    }),
  );

/** Reads all objects. Reads the single records twice: their keys are needed before the blocks. */
const readObjects = (storage: Storage): Observable<InspectedObject> =>
  readSingleRecords(storage).pipe(
    reduce((keys, [key]) => keys.add(key), new Set<string>()),
    switchMap((replaced) =>
      concat(
        readBlockObjects(storage, replaced),
        readSingleRecords(storage).pipe(
          filter(([, bytes]) => !isGoneMark(bytes)),
          map((entry) => inspectedOf(decodeStoredObject(entry))),
        ),
      ),
    ),
  );

const changeOf = (changeset: Changeset, operations: readonly Operation[]): InspectedChange => ({
  version: changeset.version,
  time: changeset.time,
  bytes: bytesOf(changeset),
  operations,
});

/**
 * Reads the metadata of the realm. Checks for an empty storage first, for a clearer message than that of `toReadOnly`.
 */
const readMeta = (storage: Storage): Observable<Metadata> =>
  storage.range(keyRangeOf(metadataKey)).pipe(
    switchMap(({ length }) => {
      const text = 'This database has no realm. No app has opened one here.';
      return length > 0 ? openMetadata(storage, systemClock) : throwError(() => new StorageError(text));
    }),
  );

/** Counts items, and selects those of each kind up to the limit. */
const createCounts = (selection: InspectSelection) => {
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

/**
 * Reads a realm without its schema, page by page. Changes nothing. Cold; completes; errors with a `StorageError` for a
 * storage without a realm and for damaged data, after the items before it.
 */
export const inspectRealm = (given: Storage, selection: InspectSelection): Observable<InspectedItem> =>
  defer(() => {
    const storage = toReadOnly(given);
    const matches = createMatcher(selection);
    const count = createCounts(selection);
    const hasOperations = ({ operations }: InspectedChange): boolean => operations.length > 0;
    return readMeta(storage).pipe(
      switchMap((meta) =>
        openOutbox(storage).pipe(
          switchMap((outbox) =>
            concat(
              of({ realm: { ...meta, written: outbox.head } }),
              readObjects(storage).pipe(
                filter((object) => matches(object) && count.object(object)),
                map((object) => ({ object })),
              ),
              readLogPages(outbox.floor, outbox.page).pipe(
                mergeMap(({ entries }) => from(entries)),
                map((changeset) => changeOf(changeset, decodeStoredOperations(changeset).filter(matches))),
                filter((change) => hasOperations(change) && count.change(change)),
                map((change) => ({ change })),
              ),
              readRejectedList(storage).pipe(
                mergeMap((all) => from(all)),
                map(({ id, changeset, writes, operations }) => ({
                  ...changeOf(changeset, operations.filter(matches)),
                  ...{ id, writes },
                })),
                filter((rejected) => hasOperations(rejected) && count.rejected()),
                map((rejected) => ({ rejected })),
              ),
              defer(() => of({ counts: count.counts })),
            ),
          ),
        ),
      ),
    );
  });
