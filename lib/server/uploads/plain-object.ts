import { liveEntriesOf } from '../../merge/lww-map.js';
import { isBytes } from '../../model/built-ins.js';
import { sumOf } from '../../merge/counter.js';
import { isAlive, type ObjectState } from '../../merge/object-state.js';
import type { CollectionState } from '../../merge/collection-state.js';
import { copyValue, type Value } from '../../model/value.js';

/**
 * An object as `permit` sees it: values by property names, in stored form, because the server knows no schema.
 *
 * - A date is its milliseconds since the epoch. A link is the primary key of its target. A counter is its number.
 * - A list is an array. A dictionary is a record. A set is a record whose values are the elements.
 * - Properties that were never written, and empty collections, are left out.
 *
 * @example
 * ```ts
 * const ownerOf = (object: PlainObject | null) => object?.['owner'];
 * ```
 */
export type PlainObject = Readonly<Record<string, Value>>;

const freezeDeep = (value: Value): Value => {
  if (typeof value !== 'object' || value === null || isBytes(value)) return value;
  Object.values(value).forEach(freezeDeep);
  return Object.freeze(value);
};

/** Returns a frozen copy. */
const copyFrozen = (value: Value): Value => (typeof value === 'object' ? freezeDeep(copyValue(value)) : value);

const partValueOf = ({ list, entries, counter }: CollectionState, value: Value | undefined): Value | undefined => {
  if (counter.length > 0) return Number(value ?? 0) + sumOf(counter);
  if (list.elements.length > 0) return Object.freeze(list.elements.map((each) => copyFrozen(each.value)));
  const live = liveEntriesOf(entries);
  if (live.length === 0) return undefined;
  return Object.freeze(Object.fromEntries(live.map(([key, each]) => [key, copyFrozen(each)])));
};

/** Returns the plain form of a state, frozen and copied; `null` if the object does not exist. */
export const plainObjectOf = (state: ObjectState | undefined): PlainObject | null => {
  if (state === undefined || !isAlive(state)) return null;
  const plain: Record<string, Value> = {};
  for (const name of Object.keys(state.values)) plain[name] = copyFrozen(state.values[name] ?? null);
  for (const [name, part] of Object.entries(state.collections ?? {})) {
    const value = partValueOf(part, Object.hasOwn(plain, name) ? plain[name] : undefined);
    if (value !== undefined) plain[name] = value;
  }
  return Object.freeze(plain);
};
