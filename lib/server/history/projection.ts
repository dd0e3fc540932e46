import {
  concat,
  concatMap,
  defer,
  EMPTY,
  from,
  map,
  of,
  queueScheduler,
  reduce,
  subscribeOn,
  switchMap,
  type Observable,
} from 'rxjs';
import type { LogPage } from '../../log/log.js';
import { decodeStoredOperations } from '../../merge/operation-codec.js';
import {
  applyOperation,
  latestTombstoneTimeOf,
  forgetTombstones,
  isAlive,
  type ObjectState,
} from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { operationStampOf, type Stamp } from '../../merge/timestamp.js';
import { createBatchOwnership } from '../../merge/batch-ownership.js';
import { encodeState } from '../../merge/state-codec.js';
import { StorageError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import { isLeft } from '../../model/result.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import type { HistoryRecord } from './history-record.js';
import { objectTextOf } from './object-keys.js';
import { slicesOf } from './object-slices.js';
import {
  type ObjectChanges,
  changeObjects,
  cursorKey,
  type KnownStates,
  type CursorMover,
  createCursorMover,
  objectPrefix,
  readObjects,
  rowBytesOf,
} from './stored-objects.js';
import { type LargeObjects, openLargeObjects } from './large-objects.js';
import { decodeCursor, endOf, readPagesUnder, readValue, deleteUnder, type ProjectionCursor } from './record-codec.js';

/**
 * Objects that were deleted, or from which elements or entries were removed, by the time at which that can be
 * forgotten: `dead/<time>/<object>`. What has nothing to forget by then is still found there, and passed over.
 */
const tombstonePrefix = 'dead/';
const timeDigits = 11;
const tombstoneKey = (time: number, text: string): string =>
  `${tombstonePrefix}${time.toString(36).padStart(timeDigits, '0')}/${text}`;
const tombstoneTimeOf = (key: string): number => parseInt(key.slice(tombstonePrefix.length), 36);
const tombstoneTextOf = (key: string): string => key.slice(tombstonePrefix.length + timeDigits + 1);

/** One stored object: its name as `objectTextOf` has it, and the bytes of its state. */
export type Row = readonly [text: string, state: Uint8Array];

/** One operation on one object, in its place in the history. */
export interface Step {
  readonly operation: Operation;
  readonly stamp: Stamp;
}

export const applySteps = (state: ObjectState | undefined, steps: readonly Step[]): ObjectState | undefined => {
  const work = createBatchOwnership();
  return steps.reduce<ObjectState | undefined>(
    (before, { operation, stamp }) => applyOperation(before, operation, stamp, work),
    state,
  );
};

/** What a changeset does, object by object. */
export const stepsOf = (
  { time, count, origin }: Pick<HistoryRecord, 'time' | 'count' | 'origin'>,
  operations: readonly Operation[],
): ReadonlyMap<string, Step[]> => {
  const steps = new Map<string, Step[]>();
  operations.forEach((operation, index) => {
    const text = objectTextOf(operation.type, operation.key);
    const step = { operation, stamp: operationStampOf({ time, count }, origin, index) };
    const known = steps.get(text);
    if (known) known.push(step);
    else steps.set(text, [step]);
  });
  return steps;
};

/** The operations of a changeset that is in the history; throws a `StorageError` for a body that has none. */
export const operationsOf = ({ version, body }: Pick<HistoryRecord, 'version' | 'body'>): readonly Operation[] => {
  const operations = decodeStoredOperations(body);
  if (isLeft(operations))
    throw new StorageError(`changeset ${version} of the history holds no operations: ${operations.left}`);
  return operations.right;
};

/**
 * The objects of a realm as its history makes them up to a version: derived from it, so it can be deleted and made
 * again as long as the history is whole. Where the history has been trimmed, they stand for what is gone. Streams are
 * cold and error with a `StorageError`.
 */
export interface Projection {
  /** How far it is, durably. */
  readonly cursor: ProjectionCursor;
  /** Whether another version is being written at this moment: what is read meanwhile may belong to either. */
  readonly isMoving: boolean;
  /** Whether the stored object has more bytes than `largeObjectBytes`. */
  readonly isLarge: (text: string) => boolean;
  /** States of objects by their texts, where there are any. Emits once and completes. */
  readonly readStates: (texts: Iterable<string>) => Observable<ReadonlyMap<string, ObjectState>>;
  /** The stored objects after one of them, in the order of their texts: one page. Emits once and completes. */
  readonly readRows: (after: string | null) => Observable<readonly Row[]>;
  /** All of them after one, up to another, page by page. */
  readonly readAllRows: (upTo: string) => Observable<readonly Row[]>;
  /** Takes the next page of the history in, in one durable batch with its cursor. One at a time. */
  readonly advance: (page: LogPage<HistoryRecord>) => Observable<never>;
  /**
   * Emits the time of the latest delete of an object, or removal of an element or entry, that may be forgotten and is
   * older than a time; `null`: there is none.
   */
  readonly readLastTombstone: (before: number) => Observable<number | null>;
  /**
   * Forgets, of a page of objects, what is older than a time and kept only because others may still speak of it. Emits
   * whether there may be more.
   */
  readonly sweep: (before: number) => Observable<boolean>;
}

const isSameLife = (a: ObjectState, b: ObjectState): boolean => a.died === b.died && isAlive(a) === isAlive(b);

/** What taking a page in changes of some objects. */
const changesOf = (
  steps: ReadonlyMap<string, readonly Step[]>,
  known: KnownStates,
  before: ProjectionCursor,
  slice: readonly string[],
  large: LargeObjects,
): ObjectChanges => {
  const changes: StorageChange[] = [];
  let { objects, bytes } = before;
  for (const text of slice) {
    const all = steps.get(text) ?? [];
    const was = known.get(text);
    const state = applySteps(was?.state, all);
    if (state === undefined || state === was?.state) continue;
    const value = encodeState(state);
    changes.push({ type: 'put', key: objectPrefix + text, value });
    changes.push(...large.toChanges(text, value.byteLength));
    objects += was === undefined ? 1 : 0;
    bytes += rowBytesOf(value) - (was?.bytes ?? 0);
    const at = latestTombstoneTimeOf(state);
    const isNoted = was !== undefined && isSameLife(state, was.state) && latestTombstoneTimeOf(was.state) !== null;
    if (at !== null && !isNoted) changes.push({ type: 'put', key: tombstoneKey(at, text), value: new Uint8Array(0) });
  }
  return { changes, objects, bytes };
};

const pageStepsOf = ({ entries }: LogPage<HistoryRecord>): ReadonlyMap<string, Step[]> => {
  const steps = new Map<string, Step[]>();
  for (const entry of entries) {
    for (const [text, all] of stepsOf(entry, operationsOf(entry))) {
      const known = steps.get(text);
      if (known) known.push(...all);
      else steps.set(text, all);
    }
  }
  return steps;
};

const rowsOf = (page: readonly (readonly [string, Uint8Array])[]): readonly Row[] =>
  page.map(([key, state]) => [key.slice(objectPrefix.length), state]);

const advanceProjection = (
  storage: Storage,
  moving: CursorMover,
  page: LogPage<HistoryRecord>,
  large: LargeObjects,
): Observable<never> =>
  defer(() => {
    const { cursor } = moving.place;
    const [first] = page.entries;
    const last = page.entries.at(-1);
    if (first === undefined || last === undefined) return EMPTY;
    if (first.version !== cursor.version + 1)
      throw new Error(`defect: objects at ${cursor.version} given the history from ${first.version}`);
    const steps = pageStepsOf(page);
    return changeObjects(storage, moving, {
      texts: steps.keys(),
      isLarge: large.has,
      changesOf: (known, before, slice) => changesOf(steps, known, before, slice, large),
      last: (at) => ({ ...at, version: page.upTo, total: last.total }),
    });
  });

const readTombstones = ({ range }: Storage, before: number, limit: number, reverse = false) =>
  range({ from: tombstonePrefix, to: tombstoneKey(before, ''), limit, bytesMax: Infinity, reverse });

/**
 * Forgets objects of which only their delete is known, and what was removed from others. Each is in the index from then
 * on if it has more that can be forgotten later.
 */
const sweepTombstones = (
  storage: Storage,
  moving: CursorMover,
  before: number,
  keys: readonly string[],
  large: LargeObjects,
): Observable<never> => {
  const swept = (known: KnownStates, { objects: were, bytes: had }: ProjectionCursor): ObjectChanges => {
    const changes: StorageChange[] = [];
    let [objects, bytes] = [were, had];
    for (const [text, { state, bytes: size }] of known) {
      const left = forgetTombstones(state, ({ time }) => time < before);
      const at = left && latestTombstoneTimeOf(left);
      if (at !== null && at >= before)
        changes.push({ type: 'put', key: tombstoneKey(at, text), value: new Uint8Array(0) });
      if (left === state) continue;
      const value = left && encodeState(left);
      changes.push(
        value ? { type: 'put', key: objectPrefix + text, value } : { type: 'del', key: objectPrefix + text },
      );
      objects -= value ? 0 : 1;
      bytes += (value ? rowBytesOf(value) : 0) - size;
    }
    return { changes, objects, bytes };
  };
  return changeObjects(storage, moving, {
    texts: new Set(keys.map(tombstoneTextOf)),
    isLarge: large.has,
    changesOf: swept,
    // Last: what is in the index no more is not looked for again.
    more: keys.map((key): StorageChange => ({ type: 'del', key })),
    last: (at) => at,
  });
};

const createProjection = (storage: Storage, found: ProjectionCursor, large: LargeObjects): Projection => {
  const moving = createCursorMover(storage, found);
  const { place } = moving;
  return {
    get cursor() {
      return place.cursor;
    },
    get isMoving() {
      return place.isMoving;
    },
    readStates: (texts) =>
      from(slicesOf(texts, large.has)).pipe(
        concatMap((slice) => readObjects(storage, slice).pipe(subscribeOn(queueScheduler))),
        reduce((all, known) => {
          for (const [text, { state }] of known) all.set(text, state);
          return all;
        }, new Map<string, ObjectState>()),
      ),
    readRows: (after) =>
      storage
        .range({
          from: after === null ? objectPrefix : `${objectPrefix}${after} `,
          to: endOf(objectPrefix),
          limit: limits.pageChangesetsMax,
          bytesMax: limits.pageBytesMax,
        })
        .pipe(map(rowsOf)),
    readAllRows: (upTo) => readPagesUnder(storage, objectPrefix, { to: `${objectPrefix}${upTo} ` }).pipe(map(rowsOf)),
    advance: (page) => advanceProjection(storage, moving, page, large),
    isLarge: large.has,
    readLastTombstone: (before) =>
      readTombstones(storage, before, 1, true).pipe(map(([last]) => (last ? tombstoneTimeOf(last[0]) : null))),
    sweep: (before) =>
      readTombstones(storage, before, limits.pageChangesetsMax).pipe(
        switchMap((entries) => {
          const keys = entries.map(([key]) => key);
          return keys.length === 0
            ? of(false)
            : concat(sweepTombstones(storage, moving, before, keys, large), of(true));
        }),
      ),
  };
};

const emptyCursor: ProjectionCursor = { version: 0, total: 0, objects: 0, bytes: 0 };

/**
 * Opens the objects of a realm; where there are none, they begin before the history. Emits once and completes. Errors
 * with a `StorageError` when they are behind what the history has been trimmed to: then nobody knows them any more.
 */
export const openProjection = (storage: Storage, floor: number): Observable<Projection> =>
  readValue(storage, cursorKey).pipe(
    switchMap((value) => {
      const cursor = value === undefined ? emptyCursor : decodeCursor(value);
      if (cursor.version < floor)
        throw new StorageError(
          `the objects are those of version ${cursor.version}, but the history begins after ${floor}`,
        );
      // Without a cursor, what is left of earlier ones would be counted twice.
      const clean$ =
        value === undefined ? concat(deleteUnder(storage, objectPrefix), deleteUnder(storage, tombstonePrefix)) : EMPTY;
      return concat(clean$, openLargeObjects(storage).pipe(map((large) => createProjection(storage, cursor, large))));
    }),
  );
