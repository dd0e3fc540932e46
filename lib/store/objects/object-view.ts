import { sumOf } from '../../merge/counter.js';
import type { ListElement } from '../../merge/list-element.js';
import type { LwwMap } from '../../merge/lww-map.js';
import { type ObjectState, propertyValueOf } from '../../merge/object-state.js';
import { collectionStateOf } from '../../merge/collection-state.js';
import { type ValueType, toAppValue } from '../../model/value-types.js';
import type { Property, TypeShape } from '../../model/schema.js';
import { compareValues, copyValue, hasBytes, type Key, isSameValue, textOf, type Value } from '../../model/value.js';

/** An object as readers get it: frozen, the same one until it changes. */
export type View = Readonly<Record<string, unknown>>;

/** What a counter has come to: what its object began with, and everything that was added since. */
export const counterValueOf = (state: ObjectState, name: string): number =>
  Number(propertyValueOf(state, name) ?? 0) + sumOf(collectionStateOf(state.collections, name).counter);

/** The elements of a set in the order of their values: the same on every device. */
const setViewOf = (entries: LwwMap, kind: ValueType): readonly unknown[] =>
  [...entries.values()]
    .filter(({ isRemoved }) => !isRemoved)
    .map(({ value }) => value)
    .sort(compareValues)
    .map((value) => toAppValue(kind, value));

/** The entries of a dictionary in the order of their keys. */
const dictionaryViewOf = (entries: LwwMap, kind: ValueType): View =>
  Object.fromEntries(
    [...entries]
      .filter(([, { isRemoved }]) => !isRemoved)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, { value }]) => [key, toAppValue(kind, value)]),
  );

/** The value of a property that is one; in the place of one that no app has written, what the schema shows there. */
const valueOrDefaultOf = (state: ObjectState, { missing }: TypeShape, name: string): Value => {
  const value = propertyValueOf(state, name);
  return value === undefined ? (missing.get(name) ?? null) : value;
};

const mutableKinds: ReadonlySet<ValueType> = new Set(['date', 'data', 'mixed']);

/** Whether a reader could change it: bytes and dates cannot be frozen. */
const isMutable = ({ kind }: Property, value: Value): boolean =>
  value !== null && (kind === 'date' || kind === 'data' || (kind === 'mixed' && hasBytes(value)));

/** Makes what a property shows, anew at each call. `isShared` says that nobody can change it, so that one is enough. */
interface PropertyView {
  readonly make: () => unknown;
  readonly isShared: boolean;
}

const propertyViewOf = (state: ObjectState, shape: TypeShape, property: Property): PropertyView => {
  const { name, kind, container } = property;
  if (container === 'counter') return { make: () => counterValueOf(state, name), isShared: true };
  if (container === 'value') {
    const value = valueOrDefaultOf(state, shape, name);
    return { make: () => toAppValue(kind, value), isShared: !isMutable(property, value) };
  }
  const { list, entries } = collectionStateOf(state.collections, name);
  const elements = container === 'list' ? list.elements : [...entries.values()];
  return {
    make: () =>
      Object.freeze(
        container === 'list'
          ? list.elements.map(({ value }) => toAppValue(kind, value))
          : container === 'set'
            ? setViewOf(entries, kind)
            : dictionaryViewOf(entries, kind),
      ),
    isShared: !mutableKinds.has(kind) || !elements.some(({ value }) => isMutable(property, value)),
  };
};

/** Under which an object has what makes those of its properties that are made anew for each reader. */
const makersKey = Symbol('makers');

/** One for all objects with a property of this name: objects stay of one shape. */
const gettersByName = new Map<string, PropertyDescriptor>();

const getterOf = (name: string): PropertyDescriptor => {
  const found = gettersByName.get(name);
  if (found) return found;
  const made: PropertyDescriptor = {
    enumerable: true,
    get(this: { readonly [makersKey]: Readonly<Record<string, () => unknown>> }) {
      return this[makersKey][name]?.();
    },
  };
  gettersByName.set(name, made);
  return made;
};

/** What was made of an object before, and the properties that have changed since. */
interface PreviousView {
  readonly view: View;
  readonly stale: ReadonlySet<string>;
}

/** Whether a property is a collection that is made once for all readers: making it costs as much as it has elements. */
const isSharedCollection = ({ kind, container }: Property): boolean =>
  container !== 'value' && container !== 'counter' && !mutableKinds.has(kind);

/**
 * An object as readers get it. A property that no app has written, because it is newer than the object, shows what the
 * schema says for it. What cannot be frozen, which is dates and bytes, is made anew whenever it is read, so that no
 * reader can change what another one has. Of `before`, collections that have not changed are taken as they are.
 */
export const viewOf = (shape: TypeShape, state: ObjectState, key: Key, before?: PreviousView): View => {
  const view: Record<string, unknown> = {};
  let made: Record<string, () => unknown> | null = null;
  for (const property of shape.properties.values()) {
    const { name } = property;
    if (before && isSharedCollection(property) && !before.stale.has(name)) {
      view[name] = before.view[name];
      continue;
    }
    const { make, isShared } = propertyViewOf(state, shape, property);
    if (isShared) view[name] = make();
    else {
      (made ??= Object.create(null) as Record<string, () => unknown>)[name] = make;
      Object.defineProperty(view, name, getterOf(name));
    }
  }
  view[shape.primaryKey.name] = key;
  if (made) Object.defineProperties(view, { [makersKey]: { value: made }, [inspectKey]: { value: toPlainView } });
  return Object.freeze(view);
};

/** How Node's console asks an object what to show. */
const inspectKey = Symbol.for('nodejs.util.inspect.custom');
const toPlainView = function (this: View): View {
  return { ...this };
};

/**
 * The entries of a set or dictionary, as no schema says which it is: those of a set stand under keys that are made of
 * them.
 */
const rawEntriesOf = (entries: LwwMap): readonly Value[] | Readonly<Record<string, Value>> => {
  const present = [...entries]
    .filter(([, { isRemoved }]) => !isRemoved)
    .map(([key, { value }]) => [key, value] as const);
  const isSet = present.every(([key, value]) => key === textOf(value));
  return isSet ? present.map(([, value]) => value).sort(compareValues) : Object.fromEntries(present);
};

/**
 * A copy of an object as it is stored, whatever the schema: dates as their milliseconds, links as keys, and what this
 * app does not know.
 */
export const rawViewOf = (state: ObjectState): Readonly<Record<string, Value>> => {
  const view: Record<string, Value> = { ...state.values };
  for (const [name, { list, entries, counter }] of Object.entries(state.collections ?? {})) {
    if (counter.length > 0) view[name] = counterValueOf(state, name);
    if (list.elements.length > 0) view[name] = list.elements.map(({ value }) => value);
    if (entries.size > 0) view[name] = rawEntriesOf(entries);
  }
  return copyValue(view) as Readonly<Record<string, Value>>;
};

const valuesOf = (elements: readonly ListElement[]): readonly Value[] => elements.map(({ value }) => value);

const presentEntriesOf = (entries: LwwMap): Readonly<Record<string, Value>> =>
  Object.fromEntries([...entries].filter(([, { isRemoved }]) => !isRemoved).map(([key, { value }]) => [key, value]));

const isSameProperty = (shape: TypeShape, property: Property, before: ObjectState, after: ObjectState): boolean => {
  const { name, container } = property;
  if (container === 'value')
    return isSameValue(valueOrDefaultOf(before, shape, name), valueOrDefaultOf(after, shape, name));
  if (container === 'counter') return counterValueOf(before, name) === counterValueOf(after, name);
  const [was, is] = [collectionStateOf(before.collections, name), collectionStateOf(after.collections, name)];
  return container === 'list'
    ? was.list.elements === is.list.elements || isSameValue(valuesOf(was.list.elements), valuesOf(is.list.elements))
    : was.entries === is.entries || isSameValue(presentEntriesOf(was.entries), presentEntriesOf(is.entries));
};

/**
 * Whether readers see the same in two states of an object, `null` where they see none: what has changed is out of their
 * sight, or came to what it was.
 */
export const isSameView = (shape: TypeShape, before: ObjectState | null, after: ObjectState | null): boolean => {
  if (before === null || after === null) return before === after;
  for (const property of shape.properties.values()) if (!isSameProperty(shape, property, before, after)) return false;
  return true;
};
