import {
  concat,
  concatMap,
  defer,
  EMPTY,
  finalize,
  from,
  map,
  mergeMap,
  type Observable,
  queueScheduler,
  subscribeOn,
  switchMap,
  toArray,
} from 'rxjs';
import type { ObjectState } from '../../merge/object-state.js';
import { decodeState } from '../../merge/state-codec.js';
import { StorageError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import { isLeft } from '../../model/result.js';
import { keyRangeOf, type Storage, type StorageChange } from '../../storage/storage.js';
import { slicesOf } from './object-slices.js';
import { encodeCursor, type ProjectionCursor } from './record-codec.js';

/** Where the cursor of the objects lies, and the objects. */
export const cursorKey = 'objects';
export const objectPrefix = 'object/';

/** Single reads that are under way at once. */
const readsAtOnce = 32;

/** Bytes that a stored object counts for. */
export const rowBytesOf = (state: Uint8Array): number => state.byteLength + limits.objectBytesMore;

const decodeObjectState = (text: string, bytes: Uint8Array): ObjectState => {
  const state = decodeState(bytes);
  if (isLeft(state)) throw new StorageError(`the state of ${text} is torn: ${state.left}`);
  return state.right;
};

/** States of objects by their texts, and the bytes that each counts for. */
export type KnownStates = ReadonlyMap<string, { readonly state: ObjectState; readonly bytes: number }>;

/** Reads some objects. */
export const readObjects = (storage: Storage, texts: Iterable<string>): Observable<KnownStates> =>
  from(texts).pipe(
    mergeMap((text) => {
      const key = objectPrefix + text;
      return storage.range(keyRangeOf(key)).pipe(map(([found]) => [text, found?.[1]] as const));
    }, readsAtOnce),
    toArray(),
    map((all) => {
      const known = new Map<string, { readonly state: ObjectState; readonly bytes: number }>();
      for (const [text, bytes] of all)
        if (bytes !== undefined) known.set(text, { state: decodeObjectState(text, bytes), bytes: rowBytesOf(bytes) });
      return known;
    }),
  );

/** Changes of objects, and how many there are with them, with how many bytes. */
export interface ObjectChanges {
  readonly changes: readonly StorageChange[];
  readonly objects: number;
  readonly bytes: number;
}

/** The cursor, and how it moves: in one batch with what it stands for. */
export const createCursorMover = (storage: Storage, found: ProjectionCursor) => {
  const place = { cursor: found, isMoving: false };
  const move = (changes: StorageChange[], next: ProjectionCursor): Observable<never> =>
    defer(() => {
      changes.push({ type: 'put', key: cursorKey, value: encodeCursor(next) });
      const moved$ = defer(() => {
        place.cursor = next;
        return EMPTY;
      });
      // Durable each time: what follows in the history may be trimmed next, and no engine promises that an older batch
      // outlives a crash with a newer.
      return concat(storage.batch(changes, { durable: true }), moved$);
    });
  return { place, move };
};

export type CursorMover = ReturnType<typeof createCursorMover>;

export interface ChangeObjectsOptions {
  readonly texts: Iterable<string>;
  readonly isLarge: (text: string) => boolean;
  readonly changesOf: (known: KnownStates, before: ProjectionCursor, slice: readonly string[]) => ObjectChanges;
  /** Changes that go with the last batch. */
  readonly more?: readonly StorageChange[];
  readonly last: (at: ProjectionCursor) => ProjectionCursor;
}

/**
 * Changes many objects, a slice of them after the other, so that never all of their states are in memory. The cursor
 * comes to its new version with the last batch: after a crash before that, the same operations are applied once more,
 * and change nothing that they have changed.
 */
export const changeObjects = (
  storage: Storage,
  { place, move }: CursorMover,
  { texts, isLarge, changesOf, more = [], last }: ChangeObjectsOptions,
): Observable<never> =>
  defer(() => {
    place.isMoving = true;
    let { objects, bytes } = place.cursor;
    let changes: StorageChange[] = [];
    let size = 0;
    const written = (to: (at: ProjectionCursor) => ProjectionCursor): Observable<never> =>
      defer(() => {
        const batch = changes;
        [changes, size] = [[], 0];
        return move(batch, to({ ...place.cursor, objects, bytes }));
      });
    const taken = (slice: readonly string[]): Observable<never> =>
      readObjects(storage, slice).pipe(
        switchMap((known) => {
          const changed = changesOf(known, { ...place.cursor, objects, bytes }, slice);
          ({ objects, bytes } = changed);
          for (const change of changed.changes) {
            changes.push(change);
            size += change.type === 'put' ? change.value.byteLength : 0;
          }
          return size < limits.commitBytesMax ? EMPTY : written((at) => at);
        }),
        subscribeOn(queueScheduler), // Many that are at hand are not each deeper in the stack.
      );
    const last$ = defer(() => {
      changes.push(...more);
      return written(last);
    });
    return concat(from(slicesOf(texts, isLarge)).pipe(concatMap(taken)), last$).pipe(
      finalize(() => (place.isMoving = false)),
    );
  });
