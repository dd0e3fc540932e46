import { isDate } from '../../model/built-ins.js';
import { audit, defer, distinctUntilChanged, filter, map, merge, type Observable, of } from 'rxjs';
import { endOfTurn$ } from '../../clock.js';
import { InvalidArgumentError } from '../../model/errors.js';
import { checkOptions } from '../../model/limits.js';
import type { Schema, TypeShape } from '../../model/schema.js';
import type { ObjectOf, TypeName } from '../../model/schema-types.js';
import { compareValues, isPlainObject, isRecord, type Value } from '../../model/value.js';
import { storedValueOf } from './filter-conditions.js';
import { createFilterPredicate, type Where } from './filter.js';
import type { ChangesByType, Objects, TypeChangesWithViews } from '../objects/objects.js';
import { type Compare, type QueryPlan, createLiveQuery } from './live-query.js';
import type { View } from '../objects/object-view.js';

/** Which objects, in which order, how many. */
export interface Query<S extends Schema, T extends TypeName<S>> {
  /** A filter in MongoDB's language, or a predicate: pure, quick, and called again for what changes. */
  readonly where?: Where<S, T>;
  /**
   * Properties and directions, the first one first; `null` comes before everything. Ties, and all without it, are in
   * the order of their keys.
   */
  readonly sort?: { readonly [K in keyof ObjectOf<S, T>]?: 1 | -1 };
  /** At most so many. */
  readonly limit?: number;
}

/** What a property shows, as it is stored: also what a list, set or dictionary holds. */
const sortValueOf = (shown: unknown): Value => {
  if (typeof shown !== 'object' || shown === null || isDate(shown)) return storedValueOf(shown);
  if (Array.isArray(shown)) return shown.map(storedValueOf);
  return isRecord(shown)
    ? Object.fromEntries(Object.entries(shown).map(([name, each]) => [name, storedValueOf(each)]))
    : storedValueOf(shown);
};

const compareByValue = (a: unknown, b: unknown): number => compareValues(sortValueOf(a), sortValueOf(b));

const checkProperties = (shape: TypeShape, argument: string, names: readonly string[]): void => {
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
  if (typeof where !== 'function') return createFilterPredicate(shape, where);
  // A promise would be taken for yes.
  if (Object.prototype.toString.call(where) === '[object AsyncFunction]')
    throw new InvalidArgumentError('where', 'a function that is not asynchronous', where);
  return where as (view: View) => boolean;
};

const compareOf = (shape: TypeShape, sort: unknown = {}): Compare => {
  if (!isRecord(sort) || !isPlainObject(sort))
    throw new InvalidArgumentError('sort', 'a record of properties to 1 or -1', sort);
  checkProperties(shape, 'sort', Object.keys(sort));
  const by = Object.entries(sort);
  for (const [name, direction] of by) {
    if (direction !== 1 && direction !== -1) throw new InvalidArgumentError(`sort.${name}`, '1 or -1', direction);
  }
  const key = shape.primaryKey.name;
  return (a, b) =>
    by.reduce((order, [name, direction]) => order || compareByValue(a[name], b[name]) * (direction as number), 0) ||
    compareByValue(a[key], b[key]);
};

const checkLimit = (limit: unknown): number => {
  if (Number.isSafeInteger(limit) && (limit as number) >= 0) return limit as number;
  throw new InvalidArgumentError('limit', 'a number from 0 that is whole', limit);
};

/** A query that makes sense, or an `InvalidArgumentError` that says why it does not. */
export const createQueryPlan = (shape: TypeShape, query: object): QueryPlan => {
  const { where, sort, limit } = checkOptions('query', query as { where?: unknown; sort?: unknown; limit?: unknown }, [
    'where',
    'sort',
    'limit',
  ]);
  return {
    type: shape.name,
    matches: predicateOf(shape, where),
    compare: compareOf(shape, sort),
    limit: limit === undefined ? Infinity : checkLimit(limit),
  };
};

/**
 * What has changed of a type: nothing yet, on subscription, then after every batch. Listens before it emits: a reader
 * may write on the spot.
 */
export const watchChanges = (
  changes$: Observable<ChangesByType>,
  type: string,
): Observable<TypeChangesWithViews | undefined> =>
  merge(
    changes$.pipe(
      map((changes) => changes.get(type)),
      filter((ofType) => ofType !== undefined),
    ),
    of(undefined),
  );

/** The first value at once, then one a turn at most: several commits in one turn are one change. Cold. */
export const emitOncePerTurn = <T>(values$: Observable<T>): Observable<T> =>
  values$.pipe(
    map((value, index) => [value, index] as const),
    audit(([, index]) => (index === 0 ? of(undefined) : endOfTurn$)),
    map(([value]) => value),
  );

const isSameResult = (a: readonly View[], b: readonly View[]): boolean =>
  a.length === b.length && a.every((view, at) => view === b[at]);

/** The answer now, then at the end of every turn whose batches change it. Cold; completes with the realm. */
export const watchObjects = (
  objects: Objects,
  changes$: Observable<ChangesByType>,
  plan: QueryPlan,
): Observable<readonly View[]> =>
  defer(() => {
    const { applyChanges, result } = createLiveQuery(objects, plan);
    return emitOncePerTurn(
      watchChanges(changes$, plan.type).pipe(filter((changes) => changes === undefined || applyChanges(changes))),
    ).pipe(map(result), distinctUntilChanged(isSameResult));
  });
