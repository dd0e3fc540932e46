import { sumOf } from '../merge/counter.js';
import type { Element } from '../merge/element.js';
import type { Entries } from '../merge/entries.js';
import { type ObjectState, valueIn } from '../merge/object.js';
import { partIn } from '../merge/part.js';
import { type Kind, shown } from '../model/kinds.js';
import type { Property, TypeShape } from '../model/schema.js';
import { compareValues, copied, hasBytes, type Key, sameValue, textOf, type Value } from '../model/value.js';

/** An object as readers get it: frozen, the same one until it changes. */
export type View = Readonly<Record<string, unknown>>;

/** What a counter has come to: what its object began with, and everything that was added since. */
export const countIn = (state: ObjectState, name: string): number =>
  Number(valueIn(state, name) ?? 0) + sumOf(partIn(state.parts, name).counter);

/** The elements of a set in the order of their values: the same on every device. */
const setView = (entries: Entries, kind: Kind): readonly unknown[] =>
  [...entries.values()]
    .filter(({ gone }) => !gone)
    .map(({ value }) => value)
    .sort(compareValues)
    .map((value) => shown(kind, value));

/** The entries of a dictionary in the order of their keys. */
const dictionaryView = (entries: Entries, kind: Kind): View =>
  Object.fromEntries(
    [...entries]
      .filter(([, { gone }]) => !gone)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, { value }]) => [key, shown(kind, value)]),
  );

/** The value of a property that is one; in the place of one that no app has written, what the schema shows there. */
const heldValue = (state: ObjectState, { missing }: TypeShape, name: string): Value => {
  const value = valueIn(state, name);
  return value === undefined ? (missing.get(name) ?? null) : value;
};

const changeableKinds: ReadonlySet<Kind> = new Set(['date', 'data', 'mixed']);

/** Whether a reader could change it: bytes and dates cannot be frozen. */
const isChangeable = ({ kind }: Property, value: Value): boolean =>
  value !== null && (kind === 'date' || kind === 'data' || (kind === 'mixed' && hasBytes(value)));

/** Makes what a property shows, anew at each call. `isShared` says that nobody can change it, so that one is enough. */
interface Held {
  readonly make: () => unknown;
  readonly isShared: boolean;
}

const heldBy = (state: ObjectState, shape: TypeShape, property: Property): Held => {
  const { name, kind, container } = property;
  if (container === 'counter') return { make: () => countIn(state, name), isShared: true };
  if (container === 'value') {
    const value = heldValue(state, shape, name);
    return { make: () => shown(kind, value), isShared: !isChangeable(property, value) };
  }
  const { list, entries } = partIn(state.parts, name);
  const elements = container === 'list' ? list.elements : [...entries.values()];
  return {
    make: () =>
      Object.freeze(
        container === 'list'
          ? list.elements.map(({ value }) => shown(kind, value))
          : container === 'set'
            ? setView(entries, kind)
            : dictionaryView(entries, kind),
      ),
    isShared: !changeableKinds.has(kind) || !elements.some(({ value }) => isChangeable(property, value)),
  };
};

/** Under which an object has what makes those of its properties that are made anew for each reader. */
const makers = Symbol('makers');

/** One for all objects with a property of this name: objects stay of one shape. */
const getters = new Map<string, PropertyDescriptor>();

const getterOf = (name: string): PropertyDescriptor => {
  const found = getters.get(name);
  if (found) return found;
  const made: PropertyDescriptor = {
    enumerable: true,
    get(this: { readonly [makers]: Readonly<Record<string, () => unknown>> }) {
      return this[makers][name]?.();
    },
  };
  getters.set(name, made);
  return made;
};

/** What was made of an object before, and the properties that have changed since. */
interface Before {
  readonly view: View;
  readonly stale: ReadonlySet<string>;
}

/** Whether a property is a collection that is made once for all readers: making it costs as much as it has elements. */
const isWhole = ({ kind, container }: Property): boolean =>
  container !== 'value' && container !== 'counter' && !changeableKinds.has(kind);

/**
 * An object as readers get it. A property that no app has written, because it is newer than the object, shows what the schema says for it.
 * What cannot be frozen, which is dates and bytes, is made anew whenever it is read, so that no reader can change what another one has. Of `before`, collections that have not changed are taken as they are.
 */
export const viewOf = (shape: TypeShape, state: ObjectState, key: Key, before?: Before): View => {
  const view: Record<string, unknown> = {};
  let made: Record<string, () => unknown> | null = null;
  for (const property of shape.properties.values()) {
    const { name } = property;
    if (before && isWhole(property) && !before.stale.has(name)) {
      view[name] = before.view[name];
      continue;
    }
    const { make, isShared } = heldBy(state, shape, property);
    if (isShared) view[name] = make();
    else {
      (made ??= Object.create(null) as Record<string, () => unknown>)[name] = make;
      Object.defineProperty(view, name, getterOf(name));
    }
  }
  view[shape.primaryKey.name] = key;
  if (made) Object.defineProperties(view, { [makers]: { value: made }, [inspected]: { value: plainly } });
  return Object.freeze(view);
};

/** How Node's console asks an object what to show. */
const inspected = Symbol.for('nodejs.util.inspect.custom');
const plainly = function (this: View): View {
  return { ...this };
};

/** The entries of a set or dictionary, as no schema says which it is: those of a set stand under keys that are made of them. */
const rawEntries = (entries: Entries): readonly Value[] | Readonly<Record<string, Value>> => {
  const present = [...entries].filter(([, { gone }]) => !gone).map(([key, { value }]) => [key, value] as const);
  const isSet = present.every(([key, value]) => key === textOf(value));
  return isSet ? present.map(([, value]) => value).sort(compareValues) : Object.fromEntries(present);
};

/** A copy of an object as it is stored, whatever the schema: dates as their milliseconds, links as keys, and what this app does not know. */
export const rawViewOf = (state: ObjectState): Readonly<Record<string, Value>> => {
  const view: Record<string, Value> = { ...state.values };
  for (const [name, { list, entries, counter }] of Object.entries(state.parts ?? {})) {
    if (counter.length > 0) view[name] = countIn(state, name);
    if (list.elements.length > 0) view[name] = list.elements.map(({ value }) => value);
    if (entries.size > 0) view[name] = rawEntries(entries);
  }
  return copied(view) as Readonly<Record<string, Value>>;
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
