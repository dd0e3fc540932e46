import { isDate, isPlainObject } from '../../model/built-ins.js';
import { audit, defer, distinctUntilChanged, filter, map, merge, type Observable, of } from 'rxjs';
import { endOfTurn$ } from '../../clock.js';
import { InvalidArgumentError } from '../../model/errors.js';
import { checkOptions } from '../../model/limits.js';
import type { Schema, TypeShape } from '../../model/schema.js';
import type { ObjectOf, TypeName } from '../../model/schema-types.js';
import { compareValues, isRecord, type Value } from '../../model/value.js';
import { storedValueOf } from './filter-conditions.js';
import { createFilterPredicate, type Where } from './filter.js';
import type { Objects } from '../objects/objects.js';
import type { ChangesByType, TypeChangesWithViews } from '../objects/object-change.js';
import { type Compare, type QueryPlan, createLiveQuery } from './live-query.js';
import type { View } from '../objects/object-view.js';

/**
 * Selects objects, sorts them and limits their number. All fields are optional.
 *
 * @example
 * ```ts
 * realm.objects$('Task', { where: { done: false }, sort: { due: 1, title: 1 }, limit: 20 });
 * ```
 */
export interface Query<S extends Schema, T extends TypeName<S>> {
  /**
   * A filter in MongoDB's language or a predicate. The predicate must be pure and fast: it is called again for each
   * changed object.
   *
   * @defaultValue all objects of the type
   */
  readonly where?: Where<S, T>;
  /**
   * Properties and directions (1 ascending, -1 descending), the most significant first. `null` sorts before all values.
   * Ties are sorted by primary key.
   *
   * @defaultValue `{}`: sorted by primary key
   */
  readonly sort?: { readonly [K in keyof ObjectOf<S, T>]?: 1 | -1 };
  /**
   * Maximum number of objects in the result.
   *
   * @defaultValue no limit
   */
  readonly limit?: number;
}

/** Converts a value of a view, which may be a collection, to its stored form. */
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
      `a record of properties of ${shape.name} (${[...shape.properties.keys()].join(', ')})`,
      name,
    );
  }
};

const predicateOf = (shape: TypeShape, where: unknown): ((view: View) => boolean) => {
  if (where === undefined) return () => true;
  if (typeof where !== 'function') return createFilterPredicate(shape, where);
  // A promise would count as a match.
  if (Object.prototype.toString.call(where) === '[object AsyncFunction]')
    throw new InvalidArgumentError('where', 'a synchronous function', where);
  return where as (view: View) => boolean;
};

const compareOf = (shape: TypeShape, sort: unknown = {}): Compare => {
  if (!isRecord(sort) || !isPlainObject(sort))
    throw new InvalidArgumentError('sort', 'a record of properties with 1 or -1', sort);
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
  throw new InvalidArgumentError('limit', 'a whole number from 0', limit);
};

/** Validates a query. Throws an `InvalidArgumentError` that names the invalid part. */
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
 * Emits `undefined` on subscription, then the changes of a type by each batch. Subscribes to the changes first, because
 * a reader may write synchronously when it gets the first value.
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

/**
 * Emits the first value synchronously, then at most one value in each event-loop turn: several commits in one turn
 * become one emission. Cold.
 */
export const emitOncePerTurn = <T>(values$: Observable<T>): Observable<T> =>
  values$.pipe(
    map((value, index) => [value, index] as const),
    audit(([, index]) => (index === 0 ? of(undefined) : endOfTurn$)),
    map(([value]) => value),
  );

const isSameResult = (a: readonly View[], b: readonly View[]): boolean =>
  a.length === b.length && a.every((view, at) => view === b[at]);

/**
 * Emits the current result, then the new one at the end of each event-loop turn whose batches have changed it. Cold;
 * completes with the realm.
 */
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
