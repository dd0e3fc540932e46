import { isBytes } from '../model/built-ins.js';
import { sumOf } from '../merge/counter.js';
import { isAlive, type ObjectState } from '../merge/object.js';
import type { Part } from '../merge/part.js';
import { copied, type Value } from '../model/value.js';

/**
 * An object as a server shows it to its owner's code, by the names of its properties. A server knows no schema: values are as they
 * are stored (a date as its milliseconds, a link as a primary key), a list is an array, a dictionary a record, a set a record of its
 * elements by their texts, a counter its count; what was never written, or is empty, is left out.
 */
export type PlainObject = Readonly<Record<string, Value>>;

const frozen = (value: Value): Value => {
  if (typeof value !== 'object' || value === null || isBytes(value)) return value;
  Object.values(value).forEach(frozen);
  return Object.freeze(value);
};

/** One that nobody else has. */
const own = (value: Value): Value => (typeof value === 'object' ? frozen(copied(value)) : value);

const inPart = ({ list, entries, counter }: Part, value: Value | undefined): Value | undefined => {
  if (counter.length > 0) return Number(value ?? 0) + sumOf(counter);
  if (list.elements.length > 0) return Object.freeze(list.elements.map((each) => own(each.value)));
  const present = [...entries].filter(([, { gone }]) => !gone);
  if (present.length === 0) return undefined;
  return Object.freeze(Object.fromEntries(present.map(([key, each]) => [key, own(each.value)])));
};

/** What readers see of a state; `null`: no object. Frozen, and a copy. */
export const plainOf = (state: ObjectState | undefined): PlainObject | null => {
  if (state === undefined || !isAlive(state)) return null;
  const plain: Record<string, Value> = {};
  for (const name of Object.keys(state.values)) plain[name] = own(state.values[name] ?? null);
  for (const [name, part] of Object.entries(state.parts ?? {})) {
    const value = inPart(part, Object.hasOwn(plain, name) ? plain[name] : undefined);
    if (value !== undefined) plain[name] = value;
  }
  return Object.freeze(plain);
};
