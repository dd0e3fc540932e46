import {
  concat,
  concatMap,
  defer,
  EMPTY,
  finalize,
  from,
  map,
  type Observable,
  queueScheduler,
  subscribeOn,
  switchMap,
} from 'rxjs';
import { runAction } from '../../model/operators.js';
import type { ObjectState } from '../../merge/object-state.js';
import { decodeState } from '../../merge/state-codec.js';
import { limits } from '../../model/limits.js';
import { serverLimits } from '../server-limits.js';
import { requireStored } from '../../model/stored-data.js';
import { readManyOf } from '../../storage/read-many.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import { sliceSizeOf, slicesOf } from './object-slices.js';
import { encodeCursor, type ProjectionCursor } from './record-codec.js';

/** Keys of the cursor and of the objects. */
export const cursorKey = 'objects';
export const objectPrefix = 'object/';

/** Objects that are changed in one event-loop turn: it takes some milliseconds. */
const changedAtOnce = 64;

/** Returns the bytes that a stored object counts. */
export const rowBytesOf = (state: Uint8Array): number => state.byteLength + serverLimits.objectBytesMore;

/** Decodes a stored object. Throws a `StorageError` for damaged bytes. */
export const decodeObjectState = (text: string, bytes: Uint8Array): ObjectState =>
  requireStored(decodeState(bytes), 'object', text);

/** One stored object: its name by `objectTextOf`, and the bytes of its state. */
export type Row = readonly [text: string, state: Uint8Array];

/** States of objects by their texts, each with the bytes that it counts. */
export type KnownStates = ReadonlyMap<string, { readonly state: ObjectState; readonly bytes: number }>;

/** Reads the bytes of some objects. Emits those that exist once, and completes. */
export const readRowsOf = (storage: Storage, texts: Iterable<string>): Observable<readonly Row[]> =>
  defer(() => {
    const all = [...texts];
    return readManyOf(
      storage,
      all.map((text) => objectPrefix + text),
    ).pipe(
      map((values) => {
        const rows: Row[] = [];
        all.forEach((text, at) => {
          const value = values[at];
          if (value !== undefined) rows.push([text, value]);
        });
        return rows;
      }),
    );
  });

/** Reads some objects. */
export const readObjects = (storage: Storage, texts: Iterable<string>): Observable<KnownStates> =>
  readRowsOf(storage, texts).pipe(
    map((rows) => {
      const known = new Map<string, { readonly state: ObjectState; readonly bytes: number }>();
      for (const [text, bytes] of rows)
        known.set(text, { state: decodeObjectState(text, bytes), bytes: rowBytesOf(bytes) });
      return known;
    }),
  );

/** Changes of objects, and number and bytes of all objects after them. */
export interface ObjectChanges {
  readonly changes: readonly StorageChange[];
  readonly objects: number;
  readonly bytes: number;
}

/** The cursor of the stored objects. */
export interface CursorMover {
  cursor: ProjectionCursor;
  /** Whether another version is being written. */
  isMoving: boolean;
  /** Moves the cursor in one batch with changes of the objects. */
  readonly move: (changes: StorageChange[], next: ProjectionCursor) => Observable<never>;
  /** Returns the change that stores the present cursor. */
  readonly toChange: () => StorageChange;
}

/** A class, because a server has one for each open realm. */
class StoredCursor implements CursorMover {
  isMoving = false;

  constructor(
    private readonly storage: Storage,
    public cursor: ProjectionCursor,
    private readonly hasIndex: () => boolean,
  ) {}

  toChange(cursor = this.cursor): StorageChange {
    return { type: 'put', key: cursorKey, value: encodeCursor(cursor, this.hasIndex()) };
  }

  move(changes: StorageChange[], next: ProjectionCursor): Observable<never> {
    return defer(() => {
      changes.push(this.toChange(next));
      const confirm$ = runAction(() => {
        this.cursor = next;
      });
      // Durable each time: the history after it may be trimmed next, and storage engines do not promise that a crash
      // keeps an older batch if it keeps a newer one.
      return concat(this.storage.batch(changes, { durable: true }), confirm$);
    });
  }
}

/** `hasIndex`: whether rows of the index are written with the objects. */
export const createCursorMover = (storage: Storage, found: ProjectionCursor, hasIndex: () => boolean): CursorMover =>
  new StoredCursor(storage, found, hasIndex);

export interface ChangeObjectsOptions {
  readonly texts: Iterable<string>;
  readonly isLarge: (text: string) => boolean;
  readonly changesOf: (known: KnownStates, before: ProjectionCursor, slice: readonly string[]) => ObjectChanges;
  /** Changes to write with the last batch. */
  readonly more?: readonly StorageChange[];
  readonly last: (at: ProjectionCursor) => ProjectionCursor;
}

/**
 * Changes many objects, slice by slice, so that never all states are in memory. The last batch moves the cursor. After
 * a crash before it the same operations are applied again, and those that were applied change nothing.
 */
export const changeObjects = (
  storage: Storage,
  mover: CursorMover,
  { texts, isLarge, changesOf, more = [], last }: ChangeObjectsOptions,
): Observable<never> =>
  defer(() => {
    mover.isMoving = true;
    let { objects, bytes } = mover.cursor;
    let changes: StorageChange[] = [];
    let size = 0;
    const writeBatch = (to: (at: ProjectionCursor) => ProjectionCursor): Observable<never> =>
      defer(() => {
        const batch = changes;
        [changes, size] = [[], 0];
        return mover.move(batch, to({ ...mover.cursor, objects, bytes }));
      });
    const changeSlice = (slice: readonly string[]): Observable<never> =>
      readObjects(storage, slice).pipe(
        switchMap((known) => {
          const changed = changesOf(known, { ...mover.cursor, objects, bytes }, slice);
          ({ objects, bytes } = changed);
          for (const change of changed.changes) {
            changes.push(change);
            size += change.type === 'put' ? change.value.byteLength : 0;
          }
          return size < limits.commitBytesMax ? EMPTY : writeBatch((at) => at);
        }),
        subscribeOn(queueScheduler), // Synchronous results do not nest on the stack.
      );
    const last$ = defer(() => {
      changes.push(...more);
      return writeBatch(last);
    });
    return concat(
      from(slicesOf(texts, isLarge, sliceSizeOf(mover.cursor, changedAtOnce))).pipe(concatMap(changeSlice)),
      last$,
    ).pipe(finalize(() => (mover.isMoving = false)));
  });
