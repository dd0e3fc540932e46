import { sumOf } from './counter.js';
import { isAlive, type ObjectState, valueIn } from './object.js';
import { isWrite, type Operation } from './operation.js';
import { noPart, type Part, partIn } from './part.js';
import { described } from '../model/errors.js';
import { expectationOf, fits, fitsIn } from '../model/kinds.js';
import type { Container, Property, TypeShape } from '../model/schema.js';
import { type Key, textOf, type Value, type Values } from '../model/value.js';

/** What stands for an element of a set: elements that are the same value are one. */
export const elementKey = (value: Value): string => textOf(value);

/** Where an object does not fit a schema. */
export interface Misfit {
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
const expectedIn = (property: Property): string => {
  const { container } = property;
  if (container === 'value') return expectationOf(property);
  return container === 'counter' ? 'a counter' : `${articleOf[container]}, each element ${expectationOf(property)}`;
};

const misfitIn = (property: Property, stored: string): Misfit => ({
  property: property.name,
  expected: expectedIn(property),
  stored,
});

const misfitKey = ({ primaryKey }: TypeShape, key: Key): Misfit | null =>
  fits(primaryKey.kind, key) ? null : misfitIn(primaryKey, described(key));

const misfitValue = (property: Property, value: Value): Misfit | null => {
  const isOne = property.container === 'value' || property.container === 'counter';
  // A collection that was `null` before it was one is as good as an empty one.
  return (isOne ? fitsIn(property, value) : value === null) ? null : misfitIn(property, described(value));
};

const misfitValues = ({ properties }: TypeShape, values: Values): Misfit | null => {
  for (const name in values) {
    const property = properties.get(name);
    const value = values[name];
    const wrong = property === undefined || value === undefined ? null : misfitValue(property, value);
    if (wrong !== null) return wrong;
  }
  return null;
};

const misfitElements = (property: Property, values: readonly Value[]): Misfit | null => {
  const at = values.findIndex((value) => !fitsIn(property, value));
  return at === -1 ? null : misfitIn(property, `${described(values[at])} in it`);
};

const misfitEntries = (property: Property, entries: readonly (readonly [string, Value])[]): Misfit | null => {
  if (property.container === 'set') {
    const other = entries.find(([key, value]) => key !== elementKey(value));
    if (other) return misfitIn(property, `an entry with the key ${described(other[0])}`);
  }
  return misfitElements(
    property,
    entries.map(([, value]) => value),
  );
};

const misfitPartOperation = (property: Property, operation: Operation): Misfit | null => {
  if (!(containersOf[operation.kind] ?? []).includes(property.container)) {
    const [container = 'value'] = containersOf[operation.kind] ?? [];
    return misfitIn(property, `a change (${operation.kind}) of ${articleOf[container]}`);
  }
  if (operation.kind === 'insert') return misfitElements(property, operation.values);
  if (operation.kind === 'replace') return misfitElements(property, [operation.value]);
  return operation.kind === 'put' ? misfitEntries(property, operation.entries) : null;
};

/** Where an operation contradicts a schema; `null`: nowhere. Types and properties that the schema does not name contradict nothing, and a delete never does. */
export const misfitOperation = (shape: TypeShape, operation: Operation): Misfit | null => {
  if (operation.kind === 'delete') return null;
  const wrongKey = misfitKey(shape, operation.key);
  if (wrongKey !== null) return wrongKey;
  if (isWrite(operation)) return misfitValues(shape, operation.values);
  const property = shape.properties.get(operation.property);
  return property ? misfitPartOperation(property, operation) : null;
};

type Present = readonly (readonly [key: string, value: Value])[];

const presentIn = ({ entries }: Part): Present =>
  [...entries].flatMap(([name, { value, gone }]) => (gone ? [] : [[name, value] as const]));

/** What is in a part that a property of another container would not show. */
const strayIn = ({ container }: Property, { list, counter }: Part, present: Present): string | null => {
  if (container !== 'list' && list.elements.length > 0) return `a list of ${list.elements.length}`;
  if (container !== 'set' && container !== 'dictionary' && present.length > 0) {
    return `a set or dictionary of ${present.length}`;
  }
  return container !== 'counter' && sumOf(counter) !== 0 ? 'a counter' : null;
};

const misfitPart = (property: Property, part: Part): Misfit | null => {
  const present = presentIn(part);
  const stray = strayIn(property, part, present);
  if (stray !== null) return misfitIn(property, stray);
  const elements = part.list.elements.map(({ value }) => value);
  return misfitElements(property, elements) ?? misfitEntries(property, present);
};

/** A property that was never written has nothing to show in its place: a link that has to be there. */
const lacking = (shape: TypeShape, state: ObjectState): Misfit | null => {
  if (shape.missing.size === shape.properties.size) return null;
  for (const property of shape.properties.values()) {
    const { name } = property;
    if (shape.missing.has(name) || property === shape.primaryKey) continue;
    if (valueIn(state, name) === undefined) return misfitIn(property, 'nothing');
  }
  return null;
};

/** Where an object that readers would see does not fit a schema; `null`: it fits, or there is nothing to see. */
export const misfitState = (shape: TypeShape, key: Key, state: ObjectState): Misfit | null => {
  if (!isAlive(state)) return null;
  const { values, parts } = state;
  const wrong = misfitKey(shape, key) ?? misfitValues(shape, values) ?? lacking(shape, state);
  if (wrong !== null || parts === null) return wrong;
  for (const property of shape.properties.values()) {
    const part = partIn(parts, property.name);
    const wrongPart = part === noPart ? null : misfitPart(property, part);
    if (wrongPart !== null) return wrongPart;
  }
  return null;
};
