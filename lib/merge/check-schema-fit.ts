import { sumOf } from './counter.js';
import { isAlive, type ObjectState, propertyValueOf } from './object-state.js';
import { isWrite, type Operation } from './operation.js';
import { emptyCollection, type CollectionState, collectionStateOf } from './collection-state.js';
import { describeValue } from '../model/errors.js';
import { expectationOf, fits, fitsSlot } from '../model/value-types.js';
import type { Container, Property, TypeShape } from '../model/schema.js';
import { type Key, textOf, type Value, type Values } from '../model/value.js';

/** What stands for an element of a set: elements that are the same value are one. */
export const elementKeyOf = (value: Value): string => textOf(value);

/** Where an object does not fit a schema. */
export interface SchemaMismatch {
  readonly property: string;
  /** What the schema expects there. */
  readonly expected: string;
  /** What is there, in one short line. */
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

/** What a property takes, in words. */
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
  // A collection that was `null` before it was one is as good as an empty one.
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
 * Where an operation contradicts a schema; `null`: nowhere. Types and properties that the schema does not name
 * contradict nothing, and a delete never does.
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

const visibleEntriesOf = ({ entries }: CollectionState): VisibleEntries =>
  [...entries].flatMap(([name, { value, isRemoved }]) => (isRemoved ? [] : [[name, value] as const]));

/** What is in a part that a property of another container would not show. */
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

const findCollectionMismatch = (property: Property, part: CollectionState): SchemaMismatch | null => {
  const present = visibleEntriesOf(part);
  const stray = strayContentOf(property, part, present);
  if (stray !== null) return createMismatch(property, stray);
  const elements = part.list.elements.map(({ value }) => value);
  return findElementsMismatch(property, elements) ?? findEntriesMismatch(property, present);
};

/** A property that was never written has nothing to show in its place: a link that has to be there. */
const findMissingProperty = (shape: TypeShape, state: ObjectState): SchemaMismatch | null => {
  if (shape.missing.size === shape.properties.size) return null;
  for (const property of shape.properties.values()) {
    const { name } = property;
    if (shape.missing.has(name) || property === shape.primaryKey) continue;
    if (propertyValueOf(state, name) === undefined) return createMismatch(property, 'nothing');
  }
  return null;
};

/** Where an object that readers would see does not fit a schema; `null`: it fits, or there is nothing to see. */
export const findStateMismatch = (shape: TypeShape, key: Key, state: ObjectState): SchemaMismatch | null => {
  if (!isAlive(state)) return null;
  const { values, collections } = state;
  const wrong = findKeyMismatch(shape, key) ?? findValuesMismatch(shape, values) ?? findMissingProperty(shape, state);
  if (wrong !== null || collections === null) return wrong;
  for (const property of shape.properties.values()) {
    const part = collectionStateOf(collections, property.name);
    const wrongPart = part === emptyCollection ? null : findCollectionMismatch(property, part);
    if (wrongPart !== null) return wrongPart;
  }
  return null;
};
