import { concat, defer, EMPTY, from, map, mergeMap, of, switchMap, type Observable } from 'rxjs';
import { isAlive, propertyValueOf, type ObjectState } from '../../merge/object-state.js';
import { limits } from '../../model/limits.js';
import { runAction } from '../../model/operators.js';
import { isSameValue, type Value } from '../../model/value.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import { indexValueOf, type IndexRange } from './index-value.js';
import { deleteUnder, endOf } from './record-codec.js';
import { type CursorMover, decodeObjectState, objectPrefix } from './stored-objects.js';
import type { WatchedProperties, WatchedProperty, WatchedType } from './watched-properties.js';

/*
 * The index of a realm: `index/<type>/<position>/<value>/<key>` for each living object of a watched type and each of
 * its watched properties. The position is that of the property among the watched ones of the type, as one digit: with
 * the name, the keys of some objects would be too long. The value is a text of `index-value.ts`, and the key is written
 * as in the key of the object. Rows of all watched properties are written with the objects, also while the index of a
 * property is being built.
 */
export const indexPrefix = 'index/';

const rowsPrefixOf = (type: string, position: number): string => `${indexPrefix}${type}/${position.toString(36)}/`;

/** Returns the type of an object by its text. */
const typeOf = (text: string): string => text.slice(0, text.indexOf('/'));

const keyOf = (type: string, position: number, value: Value, text: string): string =>
  `${rowsPrefixOf(type, position)}${indexValueOf(value)}${text.slice(type.length)}`;

const nothing = new Uint8Array(0);

type WatchedTypes = WatchedProperties['types'];

/** Returns the living object, which the index has. */
const livingOf = (state: ObjectState | null | undefined): ObjectState | null =>
  state && isAlive(state) ? state : null;

const valueOf = (state: ObjectState, { name }: WatchedProperty): Value => propertyValueOf(state, name) ?? null;

/** Returns the changes of the index that belong to a change of an object, to be written in the same batch. */
export const indexChangesOf = (
  types: WatchedTypes,
  text: string,
  before: ObjectState | null | undefined,
  after: ObjectState | null | undefined,
): readonly StorageChange[] => {
  if (types.size === 0) return [];
  const type = typeOf(text);
  const watched = types.get(type);
  if (watched === undefined) return [];
  const [was, is] = [livingOf(before), livingOf(after)];
  const changes: StorageChange[] = [];
  watched.properties.forEach((property, position) => {
    const [old, present] = [was && valueOf(was, property), is && valueOf(is, property)];
    if (was && is && isSameValue(old, present)) return;
    const oldKey = was && keyOf(type, position, old, text);
    const key = is && keyOf(type, position, present, text);
    if (oldKey === key) return;
    if (oldKey !== null) changes.push({ type: 'del', key: oldKey });
    if (key !== null) changes.push({ type: 'put', key, value: nothing });
  });
  return changes;
};

/**
 * A row of the index.
 *
 * @see {@link ObjectIndex}
 */
export interface IndexRow {
  /** The text and the key in the index, after which reading can go on. */
  readonly place: string;
  /** The text of the object. */
  readonly text: string;
}

/**
 * The unfinished work of adding all stored objects of a type to the index.
 *
 * @see {@link ObjectIndex}
 */
export interface IndexPass {
  /** The name of the type. */
  readonly type: string;
  /** The properties that are indexed when the pass ends. */
  readonly properties: readonly string[];
  /** The text of the last object that was added; `null` before the first. */
  readonly after: string | null;
}

/**
 * The index of the stored objects by the values of the watched properties. Streams are cold and error with a
 * `StorageError`.
 *
 * @see {@link Projection.index}
 */
export interface ObjectIndex {
  /**
   * Reads rows of the index of one property, in the order of their places. Cold. Emits them once and completes. Errors
   * with a `StorageError`.
   *
   * @param type - The name of the type.
   * @param property - The name of a watched property.
   * @param range - The part of the index.
   * @param limit - The largest number of rows.
   * @returns A stream of one page.
   */
  readonly readRows: (
    type: string,
    property: string,
    range: IndexRange,
    limit: number,
  ) => Observable<readonly IndexRow[]>;
  /**
   * Returns a pass over a type of which properties are watched, but not indexed.
   *
   * @returns The pass, before its first object; `null` if everything is indexed.
   */
  readonly createPass: () => IndexPass | null;
  /**
   * Adds the next page of stored objects to the index. The last page marks the properties as indexed. The objects must
   * not be changed meanwhile. Cold. Emits the rest of the pass, or `null` at its end, and completes. Errors with a
   * `StorageError`.
   *
   * @param pass - The pass, or its rest.
   * @returns A stream of one pass or `null`.
   */
  readonly build: (pass: IndexPass) => Observable<IndexPass | null>;
}

const positionIn = (watched: WatchedType | undefined, name: string): number => {
  const position = watched?.properties.findIndex((property) => property.name === name) ?? -1;
  if (position === -1) throw new Error(`Defect: property ${name} is not watched.`);
  return position;
};

/** Returns the changes that add an object to the index of some properties. */
const rowsOf = (
  text: string,
  state: ObjectState,
  watched: WatchedType,
  positions: readonly number[],
): readonly StorageChange[] => {
  if (!isAlive(state)) return [];
  const type = typeOf(text);
  return positions.flatMap((position): StorageChange[] => {
    const property = watched.properties[position];
    return property
      ? [{ type: 'put', key: keyOf(type, position, valueOf(state, property), text), value: nothing }]
      : [];
  });
};

/** A class, because a server has one for each open realm. */
export class StoredIndex implements ObjectIndex {
  constructor(
    private readonly storage: Storage,
    private readonly watched: WatchedProperties,
    private readonly cursor: Pick<CursorMover, 'toChange'>,
  ) {}

  get types(): WatchedTypes {
    return this.watched.types;
  }

  readRows(type: string, property: string, range: IndexRange, limit: number): Observable<readonly IndexRow[]> {
    return defer(() => {
      const prefix = rowsPrefixOf(type, positionIn(this.types.get(type), property));
      const keys = { from: prefix + range.from, to: prefix + range.to };
      return this.storage.range({ ...keys, limit, bytesMax: Infinity }).pipe(
        map((rows) =>
          rows.map(([key]): IndexRow => {
            const place = key.slice(prefix.length);
            return { place, text: type + place.slice(place.indexOf('/')) };
          }),
        ),
      );
    });
  }

  createPass(): IndexPass | null {
    for (const [type, { properties }] of this.types) {
      const missing = properties.filter(({ isIndexed }) => !isIndexed).map(({ name }) => name);
      if (missing.length > 0) return { type, properties: missing, after: null };
    }
    return null;
  }

  build(pass: IndexPass): Observable<IndexPass | null> {
    return defer(() => concat(pass.after === null ? this.clear(pass) : EMPTY, this.addPage(pass)));
  }

  /** Deletes what an earlier pass, or a version of the server that does not know the index, has left. */
  private clear({ type, properties }: IndexPass): Observable<never> {
    return from(properties).pipe(
      mergeMap(
        (name) => deleteUnder(this.storage, rowsPrefixOf(type, positionIn(this.types.get(type), name))),
        1, // One after the other.
      ),
    );
  }

  private addPage(pass: IndexPass): Observable<IndexPass | null> {
    const { storage, watched } = this;
    const { type, properties, after } = pass;
    const prefix = `${objectPrefix}${type}/`;
    const start = after === null ? prefix : `${objectPrefix}${after} `;
    const { pageChangesetsMax: limit, pageBytesMax: bytesMax } = limits;
    return storage.range({ from: start, to: endOf(prefix), limit, bytesMax }).pipe(
      switchMap((objects) => {
        const known = this.types.get(type);
        if (known === undefined) return of(null);
        const positions = properties.map((name) => positionIn(known, name));
        const changes = objects.flatMap(([key, bytes]) => {
          const text = key.slice(objectPrefix.length);
          return rowsOf(text, decodeObjectState(text, bytes), known, positions);
        });
        const last = objects.at(-1)?.[0].slice(objectPrefix.length);
        if (last !== undefined) return concat(storage.batch(changes, { durable: false }), of({ ...pass, after: last }));
        // The stored cursor says from now on that the index has every change up to it.
        const marks = [...properties.map((name) => watched.toIndexedChange(type, name)), this.cursor.toChange()];
        const confirm$ = runAction(() => {
          properties.forEach((name) => watched.confirmIndexed(type, name));
        });
        return concat(storage.batch(marks, { durable: true }), confirm$, of(null));
      }),
    );
  }
}
