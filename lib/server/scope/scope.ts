import { distinctUntilChanged, map, type Observable } from 'rxjs';
import { filterTextOf } from '../../filter/canonical-filter.js';
import { compileFilter, compileWith, type FindProperty } from '../../filter/compile-filter.js';
import { keyName, type StoredFilter } from '../../filter/stored-filter.js';
import { isName } from '../../merge/decoders.js';
import { isBytes, isDate, isPlainObject } from '../../model/built-ins.js';
import { InvalidArgumentError } from '../../model/errors.js';
import type { Shapes } from '../../model/schema.js';
import { copyValue, isRecord, type Value } from '../../model/value.js';
import { serverLimits } from '../server-limits.js';
import { askFor, type MaybeAsync, type User } from '../auth/access.js';

/**
 * Selects the objects of one type that a user may see, with the operators of subscriptions. If `schemas` has a schema
 * for the type, the filter names its properties. Otherwise it may name any, with `$key` for the primary key, and a
 * `Date` for dates.
 *
 * @example
 * ```ts
 * const own: ScopeFilter = { owner: 'ann', state: { $ne: 'draft' } };
 * ```
 */
export type ScopeFilter = Readonly<Record<string, unknown>>;

/**
 * The objects of a realm that a user may see: all, or those of the listed types. A type that is not listed is hidden.
 *
 * @example
 * ```ts
 * const objects: VisibleObjects = { Task: { owner: 'ann' }, Tag: true };
 * ```
 */
export type VisibleObjects = true | Readonly<Record<string, boolean | ScopeFilter>>;

/**
 * Returns the objects of a realm that a user may see. Called for each session, and again when the client sends a fresh
 * token. Each further value of a stream changes the objects at once, also on devices that are online.
 *
 * @param user - The user that `authenticate` returned.
 * @param realm - The name of the realm.
 * @returns The visible objects, or a promise or stream of them. The last value of a stream that completes stays.
 * @throws Any error ends the session, and the client tries again later. The server logs the error.
 *
 * @example
 * ```ts
 * const scope: ScopeOf = (user) => ({ Task: { owner: user.id }, Tag: true });
 * ```
 */
export type ScopeOf = (user: User, realm: string) => MaybeAsync<VisibleObjects>;

/** The filters of the types that a user may see, by their names. Others are hidden. `null`: all objects are visible. */
export type ScopeFilters = ReadonlyMap<string, StoredFilter> | null;

const valueExpected = 'null, a boolean, a finite number, a text, bytes or a Date';

const toStoredOperand = (path: string, given: unknown): Value => {
  if (isDate(given) && Number.isFinite(given.getTime())) return given.getTime();
  const isSimple = typeof given === 'string' || typeof given === 'boolean' || Number.isFinite(given);
  if (given === null || isSimple || isBytes(given)) return copyValue((given === 0 ? 0 : given) as Value);
  throw new InvalidArgumentError(path, valueExpected, given);
};

/** Finds any property, for a type without a schema. */
const findAny: FindProperty = (path, name, given) => {
  if (name !== '$key' && !isName(name)) throw new InvalidArgumentError(path, 'the name of a property, or $key', given);
  return { name: name === '$key' ? keyName : name, missing: null, toStored: toStoredOperand };
};

const checkType = (type: string, given: unknown, shapes: Shapes | null): StoredFilter => {
  const path = `scope: ${type}`;
  if (typeof given === 'boolean') return given;
  if (!isName(type)) throw new InvalidArgumentError('scope', 'names of types', type);
  const shape = shapes?.get(type);
  return shape === undefined ? compileWith(findAny, given, path) : compileFilter(shape, given, path);
};

/**
 * Checks what `scope` has returned. Hidden types are left out, and the others are sorted.
 *
 * @throws InvalidArgumentError for anything else, with the path to it.
 */
export const checkScope = (given: unknown, shapes: Shapes | null): ScopeFilters => {
  if (given === true) return null;
  if (!isRecord(given) || !isPlainObject(given))
    throw new InvalidArgumentError('scope', 'true, or a record of filters by the names of types', given);
  const { watchedTypesMax } = serverLimits;
  const all = Object.entries(given)
    .map(([type, each]): readonly [string, StoredFilter] => [type, checkType(type, each, shapes)])
    .filter(([, filter]) => filter !== false)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (all.length > watchedTypesMax)
    throw new InvalidArgumentError('scope', `filters for at most ${watchedTypesMax} types`, given);
  return new Map(all);
};

/** Returns a text that two scopes share exactly when they show the same objects by the same filters. */
export const scopeTextOf = (filters: ScopeFilters): string =>
  filters === null ? 'true' : JSON.stringify([...filters].map(([type, filter]) => [type, filterTextOf(filter)]));

/**
 * Calls `scope`, and emits the filters of each value that differs from the one before. Errors with what it throws, or
 * if it emits nothing.
 */
export const watchScope = (
  scope: ScopeOf,
  shapes: Shapes | null,
  user: User,
  realm: string,
): Observable<ScopeFilters> =>
  askFor(() => scope(user, realm)).pipe(
    map((given: unknown) => checkScope(given, shapes)),
    distinctUntilChanged((a, b) => scopeTextOf(a) === scopeTextOf(b)),
  );
