import { concat, distinctUntilChanged, filter, map, type Observable, of } from 'rxjs';
import { InvalidArgumentError } from '../model/errors.js';
import { checkedNumber, checkedOptions } from '../model/limits.js';
import { expectationOf, stored } from '../model/kinds.js';
import type { ObjectOf, Schema, TypeName, TypeShape } from '../model/schema.js';
import type { Changes, Objects, View } from './objects.js';

/** Which objects, in which order, how many. */
export interface Query<S extends Schema, T extends TypeName<S>> {
  /** Properties and the values they must have, or a predicate: pure, quick, called once for each object. */
  readonly where?: Partial<ObjectOf<S, T>> | ((object: ObjectOf<S, T>) => boolean);
  /** Properties and directions, the first one first; `null` comes before everything. Ties keep the order of creation on this device. */
  readonly sort?: { readonly [K in keyof ObjectOf<S, T>]?: 1 | -1 };
  /** At most so many. */
  readonly limit?: number;
}

type Compare = (a: View, b: View) => number;

const comparable = (value: unknown): number | string | boolean | null =>
  value instanceof Date
    ? value.getTime()
    : value instanceof Uint8Array
      ? String.fromCharCode(...value.subarray(0, 1_000))
      : (value as string);

const byValue = (a: unknown, b: unknown): number => {
  const [left, right] = [comparable(a), comparable(b)];
  if (left === right) return 0;
  if (left === null) return -1;
  if (right === null) return 1;
  return left < right ? -1 : 1;
};

const known = (shape: TypeShape, argument: string, names: readonly string[]): void => {
  for (const name of names) {
    if (shape.properties.has(name)) continue;
    throw new InvalidArgumentError(
      argument,
      `properties of ${shape.name}: ${[...shape.properties.keys()].join(', ')}`,
      name,
    );
  }
};

const predicateOf = (shape: TypeShape, where: unknown): ((view: View) => boolean) => {
  if (where === undefined) return () => true;
  if (typeof where === 'function') return where as (view: View) => boolean;
  if (typeof where !== 'object' || where === null)
    throw new InvalidArgumentError('where', 'a record or a function', where);
  known(shape, 'where', Object.keys(where));
  const wanted = Object.entries(where).map(([name, given]) => {
    const property = shape.properties.get(name);
    const value = given === null ? null : property && stored(property.kind, given);
    if (property && value === undefined)
      throw new InvalidArgumentError(`where.${name}`, expectationOf(property), given);
    return [name, comparable(given === null ? null : property?.kind === 'uuid' ? value : given)] as const;
  });
  return (view) => wanted.every(([name, value]) => comparable(view[name]) === value);
};

const compareOf = (shape: TypeShape, sort: unknown): Compare | null => {
  if (sort === undefined) return null;
  if (typeof sort !== 'object' || sort === null)
    throw new InvalidArgumentError('sort', 'a record of properties to 1 or -1', sort);
  known(shape, 'sort', Object.keys(sort));
  const by = Object.entries(sort) as [string, unknown][];
  for (const [name, direction] of by) {
    if (direction !== 1 && direction !== -1) throw new InvalidArgumentError(`sort.${name}`, '1 or -1', direction);
  }
  return (a, b) =>
    by.reduce((order, [name, direction]) => order || byValue(a[name], b[name]) * (direction as number), 0);
};

/** A query that makes sense, as the function that answers it. */
export const answering = (shape: TypeShape, query: object): ((objects: Objects) => readonly View[]) => {
  const { where, sort, limit } = checkedOptions(
    'query',
    query as { where?: unknown; sort?: unknown; limit?: unknown },
    ['where', 'sort', 'limit'],
  );
  const matches = predicateOf(shape, where);
  const compare = compareOf(shape, sort);
  const most = limit === undefined ? Infinity : checkedNumber('limit', limit, 0, Number.MAX_SAFE_INTEGER);
  return (objects) => {
    const found = objects.views(shape.name).filter(matches);
    if (compare) found.sort(compare);
    return Object.freeze(found.length > most ? found.slice(0, most) : found);
  };
};

const sameObjects = (a: readonly View[], b: readonly View[]): boolean =>
  a.length === b.length && a.every((view, at) => view === b[at]);

/** The answer now, and after every batch that changes it. Completes with the realm. */
export const liveObjects = (
  objects: Objects,
  changes$: Observable<Changes>,
  shape: TypeShape,
  answer: (objects: Objects) => readonly View[],
): Observable<readonly View[]> =>
  concat(of(null), changes$.pipe(filter((changes) => changes.has(shape.name)))).pipe(
    map(() => answer(objects)),
    distinctUntilChanged(sameObjects),
  );
