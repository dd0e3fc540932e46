import { sumOf } from '../merge/counter.js';
import type { Element } from '../merge/element.js';
import type { Entries } from '../merge/entries.js';
import { type ObjectState, valueIn } from '../merge/object.js';
import { partIn } from '../merge/part.js';
import { shown } from '../model/kinds.js';
import type { Property, TypeShape } from '../model/schema.js';
import { compareValues, type Key, sameValue, textOf, type Value } from '../model/value.js';

/** An object as readers get it: frozen, the same one until it changes. */
export type View = Readonly<Record<string, unknown>>;

/** What a counter has come to: what its object began with, and everything that was added since. */
export const countIn = (state: ObjectState, name: string): number =>
  Number(valueIn(state, name) ?? 0) + sumOf(partIn(state.parts, name).counter);

/** The elements of a set in the order of their values: the same on every device. */
const setView = (state: ObjectState, { name, kind }: Property): readonly unknown[] =>
  [...partIn(state.parts, name).entries.values()]
    .filter(({ gone }) => !gone)
    .map(({ value }) => value)
    .sort(compareValues)
    .map((value) => shown(kind, value));

/** The entries of a dictionary in the order of their keys. */
const dictionaryView = (state: ObjectState, { name, kind }: Property): View =>
  Object.fromEntries(
    [...partIn(state.parts, name).entries]
      .filter(([, { gone }]) => !gone)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, { value }]) => [key, shown(kind, value)]),
  );

/** The value of a property that is one; in the place of one that no app has written, what the schema shows there. */
const heldValue = (state: ObjectState, { missing }: TypeShape, name: string): Value => {
  const value = valueIn(state, name);
  return value === undefined ? (missing.get(name) ?? null) : value;
};

const heldBy = (state: ObjectState, shape: TypeShape, property: Property): unknown => {
  const { name, kind, container } = property;
  switch (container) {
    case 'value':
      return shown(kind, heldValue(state, shape, name));
    case 'counter':
      return countIn(state, name);
    case 'list':
      return Object.freeze(partIn(state.parts, name).list.elements.map(({ value }) => shown(kind, value)));
    case 'set':
      return Object.freeze(setView(state, property));
    case 'dictionary':
      return Object.freeze(dictionaryView(state, property));
  }
};

/** An object as readers get it. A property that no app has written, because it is newer than the object, shows what the schema says for it. */
export const viewOf = (shape: TypeShape, state: ObjectState, key: Key): View => {
  const view: Record<string, unknown> = {};
  for (const property of shape.properties.values()) view[property.name] = heldBy(state, shape, property);
  view[shape.primaryKey.name] = key;
  return Object.freeze(view);
};

/** The entries of a set or dictionary, as no schema says which it is: those of a set stand under keys that are made of them. */
const rawEntries = (entries: Entries): readonly Value[] | Readonly<Record<string, Value>> => {
  const present = [...entries].filter(([, { gone }]) => !gone).map(([key, { value }]) => [key, value] as const);
  const isSet = present.every(([key, value]) => key === textOf(value));
  return isSet ? present.map(([, value]) => value).sort(compareValues) : Object.fromEntries(present);
};

/** An object as it is stored, whatever the schema: dates as their milliseconds, links as keys, and what this app does not know. */
export const rawViewOf = (state: ObjectState): Readonly<Record<string, Value>> => {
  const view: Record<string, Value> = { ...state.values };
  for (const [name, { list, entries, counter }] of Object.entries(state.parts ?? {})) {
    if (counter.length > 0) view[name] = countIn(state, name);
    if (list.elements.length > 0) view[name] = list.elements.map(({ value }) => value);
    if (entries.size > 0) view[name] = rawEntries(entries);
  }
  return view;
};

const valuesOf = (elements: readonly Element[]): readonly Value[] => elements.map(({ value }) => value);

const presentIn = (entries: Entries): Readonly<Record<string, Value>> =>
  Object.fromEntries([...entries].filter(([, { gone }]) => !gone).map(([key, { value }]) => [key, value]));

const holdsSame = (shape: TypeShape, property: Property, before: ObjectState, after: ObjectState): boolean => {
  const { name, container } = property;
  if (container === 'value') return sameValue(heldValue(before, shape, name), heldValue(after, shape, name));
  if (container === 'counter') return countIn(before, name) === countIn(after, name);
  const [was, is] = [partIn(before.parts, name), partIn(after.parts, name)];
  return container === 'list'
    ? was.list.elements === is.list.elements || sameValue(valuesOf(was.list.elements), valuesOf(is.list.elements))
    : was.entries === is.entries || sameValue(presentIn(was.entries), presentIn(is.entries));
};

/** Whether readers see the same in two states of an object, `null` where they see none: what has changed is out of their sight, or came to what it was. */
export const looksSame = (shape: TypeShape, before: ObjectState | null, after: ObjectState | null): boolean => {
  if (before === null || after === null) return before === after;
  for (const property of shape.properties.values()) if (!holdsSame(shape, property, before, after)) return false;
  return true;
};
