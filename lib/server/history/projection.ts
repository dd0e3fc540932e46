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
import { decodeOperationsLeniently } from '../../merge/operation-codec.js';
import { applyOperation, latestTombstoneTimeOf, isAlive, type ObjectState } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { operationStampOf, type Stamp } from '../../merge/timestamp.js';
import { createBatchOwnership } from '../../merge/batch-ownership.js';
import { encodeState } from '../../merge/state-codec.js';
import { StorageError } from '../../model/errors.js';
import { runAction } from '../../model/operators.js';
import { limits } from '../../model/limits.js';
import { requireStored } from '../../model/stored-data.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import type { HistoryRecord } from './history-record.js';
import { objectTextOf } from '../../model/object-key.js';
import { sliceSizeOf, slicesOf } from './object-slices.js';
import {
  type ObjectChanges,
  changeObjects,
  cursorKey,
  type KnownStates,
  type CursorMover,
  createCursorMover,
  objectPrefix,
  readObjects,
  readRowsOf,
  type Row,
  rowBytesOf,
} from './stored-objects.js';
import { indexChangesOf, indexPrefix, type ObjectIndex, StoredIndex } from './object-index.js';
import { readTombstones, sweepTombstones, tombstoneKey, tombstonePrefix, tombstoneTimeOf } from './tombstones.js';
import type { WatchedProperties } from './watched-properties.js';
import { type LargeObjects, openLargeObjects } from './large-objects.js';
import {
  decodeCursor,
  deleteUnder,
  endOf,
  isIndexKeptTo,
  type ProjectionCursor,
  readPagesUnder,
  readValue,
} from './record-codec.js';

/** One operation on one object, with its stamp. */
export interface Step {
  readonly operation: Operation;
  readonly stamp: Stamp;
}

export const applySteps = (state: ObjectState | undefined, steps: readonly Step[]): ObjectState | undefined => {
  const [first] = steps;
  // Most changesets have one operation for an object. What a batch owns costs more than that operation (measured).
  if (first !== undefined && steps.length === 1) return applyOperation(state, first.operation, first.stamp);
  const work = createBatchOwnership();
  return steps.reduce<ObjectState | undefined>(
    (before, { operation, stamp }) => applyOperation(before, operation, stamp, work),
    state,
  );
};

/** Returns the operations of a changeset, grouped by object. */
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

/** Decodes the operations of a changeset in the history. Throws a `StorageError` for a corrupt body. */
export const operationsOf = ({ version, body }: Pick<HistoryRecord, 'version' | 'body'>): readonly Operation[] =>
  requireStored(decodeOperationsLeniently(body), 'changeset', version);

/**
 * The objects of a realm at one version of its history. They are derived from the history and can be deleted and
 * rebuilt while it is complete. Where the history is trimmed, they replace it. Streams are cold and error with a
 * `StorageError`.
 *
 * @see {@link History.projection}
 */
export interface Projection {
  /** The durable version of the objects. */
  readonly cursor: ProjectionCursor;
  /** Whether another version is being written. Reads in this state may see either version. */
  readonly isMoving: boolean;
  /**
   * Whether the stored object with this text (see `Row`) has more than 1 MiB.
   *
   * @param text - The text of the object.
   * @returns Whether the object is large.
   */
  readonly isLarge: (text: string) => boolean;
  /** Whether any stored object has more than 1 MiB. */
  readonly hasLarge: boolean;
  /**
   * Reads the states of existing objects. Cold. Emits all of them once, by object texts, and completes. Errors with a
   * `StorageError`.
   *
   * @param texts - The texts of the objects.
   * @returns A stream of one map, which contains only objects that exist.
   */
  readonly readStates: (texts: Iterable<string>) => Observable<ReadonlyMap<string, ObjectState>>;
  /**
   * Reads one page of stored objects after an object. Cold. Emits the page once, in the order of the texts, and
   * completes. Errors with a `StorageError`.
   *
   * @param after - The text of the object before the page; `null` for the first page.
   * @param type - The name of the type whose objects are read; all types if it is left out.
   * @returns A stream of one page.
   */
  readonly readRows: (after: string | null, type?: string) => Observable<readonly Row[]>;
  /**
   * Reads some stored objects. Cold. Emits those that exist once, in any order, and completes. Errors with a
   * `StorageError`.
   *
   * @param texts - The texts of the objects, as few as one page has.
   * @returns A stream of one array.
   */
  readonly readSomeRows: (texts: readonly string[]) => Observable<readonly Row[]>;
  /**
   * Reads all stored objects up to and including one of them. Cold. Emits page by page, and completes after the last
   * page. Errors with a `StorageError`.
   *
   * @param upTo - The text of the last object.
   * @returns A stream of pages.
   */
  readonly readAllRows: (upTo: string) => Observable<readonly Row[]>;
  /**
   * Applies the next page of the history and moves the cursor. One call at a time. Cold. Emits nothing. Completes when
   * durable. Errors with a `StorageError`.
   *
   * @param page - The page that follows the version of `cursor`.
   * @returns A stream without values.
   */
  readonly advance: (page: LogPage<HistoryRecord>) => Observable<never>;
  /**
   * Finds the latest removable tombstone before a time, also of an element or an entry. Cold. Emits its time, or
   * `null`, once and completes. Errors with a `StorageError`.
   *
   * @param before - Milliseconds since the epoch.
   * @returns A stream of one time or `null`.
   */
  readonly readLastTombstone: (before: number) => Observable<number | null>;
  /**
   * Removes tombstones older than a time from one page of objects. Cold. Emits once whether there may be more, and
   * completes. Errors with a `StorageError`.
   *
   * @param before - Milliseconds since the epoch.
   * @returns A stream of one boolean.
   */
  readonly sweep: (before: number) => Observable<boolean>;
  /** The index of the objects by the values of the watched properties. */
  readonly index: ObjectIndex;
}

/** Records that are stored with the objects. */
interface ProjectionParts {
  readonly large: LargeObjects;
  readonly index: StoredIndex;
}

const isSameLife = (a: ObjectState, b: ObjectState): boolean => a.died === b.died && isAlive(a) === isAlive(b);

/** Returns the changes of some objects when a page is applied. */
const changesOf = (
  steps: ReadonlyMap<string, readonly Step[]>,
  known: KnownStates,
  before: ProjectionCursor,
  slice: readonly string[],
  { large, index }: ProjectionParts,
): ObjectChanges => {
  const changes: StorageChange[] = [];
  let { objects, bytes } = before;
  for (const text of slice) {
    const all = steps.get(text) ?? [];
    const previous = known.get(text);
    const state = applySteps(previous?.state, all);
    if (state === undefined || state === previous?.state) continue;
    const value = encodeState(state);
    changes.push({ type: 'put', key: objectPrefix + text, value });
    changes.push(...large.toChanges(text, value.byteLength));
    changes.push(...indexChangesOf(index.types, text, previous?.state, state));
    objects += previous === undefined ? 1 : 0;
    bytes += rowBytesOf(value) - (previous?.bytes ?? 0);
    const at = latestTombstoneTimeOf(state);
    const isNoted =
      previous !== undefined && isSameLife(state, previous.state) && latestTombstoneTimeOf(previous.state) !== null;
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
  mover: CursorMover,
  page: LogPage<HistoryRecord>,
  parts: ProjectionParts,
): Observable<never> =>
  defer(() => {
    const { cursor } = mover;
    const [first] = page.entries;
    const last = page.entries.at(-1);
    if (first === undefined || last === undefined) return EMPTY;
    if (first.version !== cursor.version + 1)
      throw new Error(`Defect: the objects are at version ${cursor.version}, but the page begins at ${first.version}.`);
    const steps = pageStepsOf(page);
    return changeObjects(storage, mover, {
      texts: steps.keys(),
      isLarge: (text) => parts.large.has(text),
      changesOf: (known, before, slice) => changesOf(steps, known, before, slice, parts),
      last: (at) => ({ ...at, version: page.upTo, total: last.total }),
    });
  });

/** Objects that are read together if all of their states are kept. */
const statesAtOnce = 256;

/** A class, because a server has one for each open realm. */
class StoredProjection implements Projection {
  constructor(
    private readonly storage: Storage,
    private readonly mover: CursorMover,
    readonly large: LargeObjects,
    readonly index: StoredIndex,
  ) {}

  get cursor(): ProjectionCursor {
    return this.mover.cursor;
  }

  get isMoving(): boolean {
    return this.mover.isMoving;
  }

  get hasLarge(): boolean {
    return !this.large.isEmpty();
  }

  isLarge(text: string): boolean {
    return this.large.has(text);
  }

  readStates(texts: Iterable<string>): Observable<ReadonlyMap<string, ObjectState>> {
    return from(slicesOf(texts, (text) => this.large.has(text), sliceSizeOf(this.cursor, statesAtOnce))).pipe(
      concatMap((slice) => readObjects(this.storage, slice).pipe(subscribeOn(queueScheduler))),
      reduce((all, known) => {
        for (const [text, { state }] of known) all.set(text, state);
        return all;
      }, new Map<string, ObjectState>()),
    );
  }

  readRows(after: string | null, type?: string): Observable<readonly Row[]> {
    const prefix = type === undefined ? objectPrefix : `${objectPrefix}${type}/`;
    const start = after === null ? prefix : `${objectPrefix}${after} `;
    const { pageChangesetsMax: limit, pageBytesMax: bytesMax } = limits;
    return this.storage.range({ from: start, to: endOf(prefix), limit, bytesMax }).pipe(map(rowsOf));
  }

  readSomeRows(texts: readonly string[]): Observable<readonly Row[]> {
    return readRowsOf(this.storage, texts);
  }

  readAllRows(upTo: string): Observable<readonly Row[]> {
    return readPagesUnder(this.storage, objectPrefix, { to: `${objectPrefix}${upTo} ` }).pipe(map(rowsOf));
  }

  advance(page: LogPage<HistoryRecord>): Observable<never> {
    return advanceProjection(this.storage, this.mover, page, this);
  }

  readLastTombstone(before: number): Observable<number | null> {
    return readTombstones(this.storage, before, 1, true).pipe(
      map(([last]) => (last ? tombstoneTimeOf(last[0]) : null)),
    );
  }

  sweep(before: number): Observable<boolean> {
    const { storage, mover, large } = this;
    return readTombstones(storage, before, limits.pageChangesetsMax).pipe(
      switchMap((entries) => {
        const keys = entries.map(([key]) => key);
        return keys.length === 0 ? of(false) : concat(sweepTombstones(storage, mover, before, keys, large), of(true));
      }),
    );
  }
}

/**
 * Lets the index be built again if a version of the server that does not know it has changed the objects. Completes
 * when that is stored.
 */
const checkIndex = (storage: Storage, watched: WatchedProperties, isKept: boolean): Observable<never> => {
  const isMarked = [...watched.types.values()].some(({ properties }) => properties.some(({ isIndexed }) => isIndexed));
  if (isKept || !isMarked) return EMPTY;
  return concat(
    storage.batch(watched.toUnindexedChanges(), { durable: true }),
    runAction(() => watched.confirmUnindexed()),
  );
};

const emptyCursor: ProjectionCursor = { version: 0, total: 0, objects: 0, bytes: 0 };

/**
 * Opens the objects of a realm. Without stored ones they begin before the history. Emits once and completes. Errors
 * with a `StorageError` if they are older than the start of the trimmed history, because then they cannot be rebuilt.
 */
export const openProjection = (storage: Storage, floor: number, watched: WatchedProperties): Observable<Projection> =>
  readValue(storage, cursorKey).pipe(
    switchMap((value) => {
      const cursor = value === undefined ? emptyCursor : decodeCursor(cursorKey, value);
      if (cursor.version < floor)
        throw new StorageError(
          `The stored objects have version ${cursor.version}, but the history begins after ${floor}. Restore a backup.`,
        );
      // Without a cursor, remains of earlier objects would be counted twice.
      const prefixes = value === undefined ? [objectPrefix, tombstonePrefix, indexPrefix] : [];
      const mover = createCursorMover(storage, cursor, () => watched.types.size > 0);
      const index = new StoredIndex(storage, watched, mover);
      return concat(
        ...prefixes.map((prefix) => deleteUnder(storage, prefix)),
        checkIndex(storage, watched, value !== undefined && isIndexKeptTo(cursorKey, value)),
        openLargeObjects(storage).pipe(map((large) => new StoredProjection(storage, mover, large, index))),
      );
    }),
  );
