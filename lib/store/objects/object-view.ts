import { sumOf } from '../../merge/counter.js';
import type { ListElement } from '../../merge/list-element.js';
import { liveEntriesOf, type LwwMap } from '../../merge/lww-map.js';
import { type ObjectState, propertyValueOf } from '../../merge/object-state.js';
import { collectionStateOf } from '../../merge/collection-state.js';
import { type ValueType, toAppValue } from '../../model/value-types.js';
import type { Property, TypeShape } from '../../model/schema.js';
import { compareValues, copyValue, hasBytes, type Key, isSameValue, textOf, type Value } from '../../model/value.js';

/** An object as readers see it. Frozen; the same instance until the object changes. */
export type View = Readonly<Record<string, unknown>>;

/** The value of a counter: its start value plus all increments. */
export const counterValueOf = (state: ObjectState, name: string): number =>
  Number(propertyValueOf(state, name) ?? 0) + sumOf(collectionStateOf(state.collections, name).counter);

/** The elements of a set, sorted by value: the same order on every device. */
const setViewOf = (entries: LwwMap, kind: ValueType): readonly unknown[] =>
  liveEntriesOf(entries)
    .map(([, value]) => value)
    .sort(compareValues)
    .map((value) => toAppValue(kind, value));

/** The entries of a dictionary, sorted by key. */
const dictionaryViewOf = (entries: LwwMap, kind: ValueType): View =>
  Object.fromEntries(
    liveEntriesOf(entries)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, value]) => [key, toAppValue(kind, value)]),
  );

/** The value of a property; for a property that no app has written, the value from the schema. */
const valueOrDefaultOf = (state: ObjectState, { missing }: TypeShape, name: string): Value => {
  const value = propertyValueOf(state, name);
  return value === undefined ? (missing.get(name) ?? null) : value;
};

const mutableKinds: ReadonlySet<ValueType> = new Set(['date', 'data', 'mixed']);

/** Whether a reader could modify the value: bytes and dates cannot be frozen. */
const isMutable = ({ kind }: Property, value: Value): boolean =>
  value !== null && (kind === 'date' || kind === 'data' || (kind === 'mixed' && hasBytes(value)));

/**
 * Creates the value of a property for readers. `isShared`: readers cannot modify the value, so one instance is enough.
 */
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

/** Key of the functions that create the property values which each reader gets as a new instance. */
const makersKey = Symbol('makers');

/** One getter for all objects with a property of this name, so that these objects keep one shape in the engine. */
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

/** An earlier view of the object, and the properties that have changed since. */
interface PreviousView {
  readonly view: View;
  readonly stale: ReadonlySet<string>;
}

/**
 * Whether a property is a collection that all readers can share. Creating it takes time in proportion to its elements.
 */
const isSharedCollection = ({ kind, container }: Property): boolean =>
  container !== 'value' && container !== 'counter' && !mutableKinds.has(kind);

/**
 * Creates the view of an object. A property that no app has written, because it is newer than the object, shows the
 * value from the schema. Dates and bytes cannot be frozen, so each read returns a new instance and readers cannot
 * modify each other's data. Collections that have not changed are taken from `before`.
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

/** The method with which Node's console asks an object for its printed form. */
const inspectKey = Symbol.for('nodejs.util.inspect.custom');
const toPlainView = function (this: View): View {
  return { ...this };
};

/**
 * The entries of a set or dictionary without a schema that distinguishes them. In a set, the keys are derived from the
 * values.
 */
const rawEntriesOf = (entries: LwwMap): readonly Value[] | Readonly<Record<string, Value>> => {
  const live = liveEntriesOf(entries);
  const isSet = live.every(([key, value]) => key === textOf(value));
  return isSet ? live.map(([, value]) => value).sort(compareValues) : Object.fromEntries(live);
};

/**
 * A copy of an object as it is stored, whatever the schema: dates as milliseconds, links as keys, unknown properties
 * included.
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

const isSameProperty = (shape: TypeShape, property: Property, before: ObjectState, after: ObjectState): boolean => {
  const { name, container } = property;
  if (container === 'value')
    return isSameValue(valueOrDefaultOf(before, shape, name), valueOrDefaultOf(after, shape, name));
  if (container === 'counter') return counterValueOf(before, name) === counterValueOf(after, name);
  const [was, is] = [collectionStateOf(before.collections, name), collectionStateOf(after.collections, name)];
  return container === 'list'
    ? was.list.elements === is.list.elements || isSameValue(valuesOf(was.list.elements), valuesOf(is.list.elements))
    : was.entries === is.entries ||
        isSameValue(Object.fromEntries(liveEntriesOf(was.entries)), Object.fromEntries(liveEntriesOf(is.entries)));
};

/** Whether readers see the same in two states of an object. `null` stands for an object that readers do not see. */
export const isSameView = (shape: TypeShape, before: ObjectState | null, after: ObjectState | null): boolean => {
  if (before === null || after === null) return before === after;
  for (const property of shape.properties.values()) if (!isSameProperty(shape, property, before, after)) return false;
  return true;
};
