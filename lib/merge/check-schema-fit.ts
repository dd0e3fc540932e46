import { sumOf } from './counter.js';
import { liveEntriesOf } from './lww-map.js';
import { isAlive, type ObjectState, propertyValueOf } from './object-state.js';
import { isWrite, type Operation } from './operation.js';
import { emptyCollection, type CollectionState, collectionStateOf } from './collection-state.js';
import { describeValue } from '../model/errors.js';
import { expectationOf, fits, fitsSlot } from '../model/value-types.js';
import type { Container, Property, TypeShape } from '../model/schema.js';
import { type Key, textOf, type Value, type Values } from '../model/value.js';

/** Returns the key of a set's element. Equal elements have the same key. */
export const elementKeyOf = (value: Value): string => textOf(value);

/** A property whose stored value does not fit a schema. */
export interface SchemaMismatch {
  readonly property: string;
  /** The value that the schema expects, in words. */
  readonly expected: string;
  /** The stored value in one short line. */
  readonly stored: string;
}

const containersOf: Readonly<Record<string, readonly Container[]>> = {
  insert: ['list'],
  move: ['list'],
  replace: ['list'],
  remove: ['list'],
  put: ['set', 'dictionary'],
  drop: ['set', 'dictionary'],
  clear: ['list', 'set', 'dictionary'],
  increment: ['counter'],
};

const articleOf: Readonly<Record<Container, string>> = {
  value: 'one value',
  list: 'a list',
  set: 'a set',
  dictionary: 'a dictionary',
  counter: 'a counter',
};

/** Returns the allowed content of a property in words. */
const expectedTextOf = (property: Property): string => {
  const { container } = property;
  if (container === 'value') return expectationOf(property);
  return container === 'counter' ? 'a counter' : `${articleOf[container]}, each element ${expectationOf(property)}`;
};

const createMismatch = (property: Property, stored: string): SchemaMismatch => ({
  property: property.name,
  expected: expectedTextOf(property),
  stored,
});

const findKeyMismatch = ({ primaryKey }: TypeShape, key: Key): SchemaMismatch | null =>
  fits(primaryKey.kind, key) ? null : createMismatch(primaryKey, describeValue(key));

const findValueMismatch = (property: Property, value: Value): SchemaMismatch | null => {
  const isOne = property.container === 'value' || property.container === 'counter';
  // A property may have been `null` before it became a collection: then the collection is empty.
  return (isOne ? fitsSlot(property, value) : value === null) ? null : createMismatch(property, describeValue(value));
};

const findValuesMismatch = ({ properties }: TypeShape, values: Values): SchemaMismatch | null => {
  for (const name in values) {
    const property = properties.get(name);
    const value = values[name];
    const wrong = property === undefined || value === undefined ? null : findValueMismatch(property, value);
    if (wrong !== null) return wrong;
  }
  return null;
};

const findElementsMismatch = (property: Property, values: readonly Value[]): SchemaMismatch | null => {
  const at = values.findIndex((value) => !fitsSlot(property, value));
  return at === -1 ? null : createMismatch(property, `${describeValue(values[at])} in it`);
};

const findEntriesMismatch = (
  property: Property,
  entries: readonly (readonly [string, Value])[],
): SchemaMismatch | null => {
  if (property.container === 'set') {
    const other = entries.find(([key, value]) => key !== elementKeyOf(value));
    if (other) return createMismatch(property, `an entry with the key ${describeValue(other[0])}`);
  }
  return findElementsMismatch(
    property,
    entries.map(([, value]) => value),
  );
};

const findCollectionOperationMismatch = (property: Property, operation: Operation): SchemaMismatch | null => {
  if (!(containersOf[operation.kind] ?? []).includes(property.container)) {
    const [container = 'value'] = containersOf[operation.kind] ?? [];
    return createMismatch(property, `a change (${operation.kind}) of ${articleOf[container]}`);
  }
  if (operation.kind === 'insert') return findElementsMismatch(property, operation.values);
  if (operation.kind === 'replace') return findElementsMismatch(property, [operation.value]);
  return operation.kind === 'put' ? findEntriesMismatch(property, operation.entries) : null;
};

/**
 * Returns where an operation contradicts a schema; `null` when it does not. Unknown types and properties contradict
 * nothing, and neither does a delete.
 */
export const findOperationMismatch = (shape: TypeShape, operation: Operation): SchemaMismatch | null => {
  if (operation.kind === 'delete') return null;
  const wrongKey = findKeyMismatch(shape, operation.key);
  if (wrongKey !== null) return wrongKey;
  if (isWrite(operation)) return findValuesMismatch(shape, operation.values);
  const property = shape.properties.get(operation.property);
  return property ? findCollectionOperationMismatch(property, operation) : null;
};

type VisibleEntries = readonly (readonly [key: string, value: Value])[];

/** Returns the content of a collection that a property of another container would not show. */
const strayContentOf = (
  { container }: Property,
  { list, counter }: CollectionState,
  present: VisibleEntries,
): string | null => {
  if (container !== 'list' && list.elements.length > 0) return `a list of ${list.elements.length}`;
  if (container !== 'set' && container !== 'dictionary' && present.length > 0) {
    return `a set or dictionary of ${present.length}`;
  }
  return container !== 'counter' && sumOf(counter) !== 0 ? 'a counter' : null;
};

const findCollectionMismatch = (property: Property, collection: CollectionState): SchemaMismatch | null => {
  const present = liveEntriesOf(collection.entries);
  const stray = strayContentOf(property, collection, present);
  if (stray !== null) return createMismatch(property, stray);
  const elements = collection.list.elements.map(({ value }) => value);
  return findElementsMismatch(property, elements) ?? findEntriesMismatch(property, present);
};

/** Returns a required link that was never written: there is no value to show for it. */
const findMissingProperty = (shape: TypeShape, state: ObjectState): SchemaMismatch | null => {
  if (shape.missing.size === shape.properties.size) return null;
  for (const property of shape.properties.values()) {
    const { name } = property;
    if (shape.missing.has(name) || property === shape.primaryKey) continue;
    if (propertyValueOf(state, name) === undefined) return createMismatch(property, 'nothing');
  }
  return null;
};

/** Returns where a visible object does not fit a schema; `null` when it fits or is not visible. */
export const findStateMismatch = (shape: TypeShape, key: Key, state: ObjectState): SchemaMismatch | null => {
  if (!isAlive(state)) return null;
  const { values, collections } = state;
  const wrong = findKeyMismatch(shape, key) ?? findValuesMismatch(shape, values) ?? findMissingProperty(shape, state);
  if (wrong !== null || collections === null) return wrong;
  for (const property of shape.properties.values()) {
    const collection = collectionStateOf(collections, property.name);
    const wrongCollection = collection === emptyCollection ? null : findCollectionMismatch(property, collection);
    if (wrongCollection !== null) return wrongCollection;
  }
  return null;
};
