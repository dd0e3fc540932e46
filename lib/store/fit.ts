import { isWrite, type Operation } from '../merge/operation.js';
import type { ObjectState } from '../merge/object.js';
import { partIn } from '../merge/part.js';
import { expectationOf, fits, fitsIn } from '../model/kinds.js';
import type { Container, Property, TypeShape } from '../model/schema.js';
import { type Key, textOf, type Value, type Values } from '../model/value.js';

/** What stands for an element of a set: elements that are the same value are one. */
export const elementKey = (value: Value): string => textOf(value);

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

const nameOf = ({ name }: TypeShape, key: Key, property: string): string => `${name}[${String(key)}].${property}`;

const misfitKey = ({ name, primaryKey }: TypeShape, key: Key): string | null =>
  fits(primaryKey.kind, key) ? null : `${name}: the primary key is not ${expectationOf(primaryKey)}`;

const misfitValues = (shape: TypeShape, key: Key, values: Values): string | null => {
  for (const name in values) {
    const property = shape.properties.get(name);
    const value = values[name];
    if (property === undefined || value === undefined) continue;
    if (property.container !== 'value' && property.container !== 'counter') {
      return `${nameOf(shape, key, name)} is one value, and not a ${property.container}`;
    }
    if (!fitsIn(property, value)) return `${nameOf(shape, key, name)} is not ${expectationOf(property)}`;
  }
  return null;
};

const misfitElements = (property: Property, values: readonly Value[]): string | null =>
  values.every((value) => fitsIn(property, value)) ? null : `has an element that is not ${expectationOf(property)}`;

const misfitEntries = (property: Property, entries: readonly (readonly [string, Value])[]): string | null => {
  if (property.container === 'set' && entries.some(([key, value]) => key !== elementKey(value))) {
    return 'has an element under the key of another';
  }
  return misfitElements(
    property,
    entries.map(([, value]) => value),
  );
};

const misfitPart = (property: Property, operation: Operation): string | null => {
  if (!(containersOf[operation.kind] ?? []).includes(property.container)) return `is a ${property.container}`;
  if (operation.kind === 'insert') return misfitElements(property, operation.values);
  if (operation.kind === 'replace') return misfitElements(property, [operation.value]);
  return operation.kind === 'put' ? misfitEntries(property, operation.entries) : null;
};

/** Why an operation does not fit this app's schema; `null`: it does. What the schema does not know is kept for the apps that do. */
export const misfitOperation = (shape: TypeShape, operation: Operation): string | null => {
  const { key, kind } = operation;
  const wrongKey = misfitKey(shape, key);
  if (wrongKey !== null || kind === 'delete') return wrongKey;
  if (isWrite(operation)) return misfitValues(shape, key, operation.values);
  const property = shape.properties.get(operation.property);
  const wrong = property ? misfitPart(property, operation) : null;
  return wrong === null ? null : `${nameOf(shape, key, operation.property)} ${wrong}`;
};

/** Why a state that came from elsewhere does not fit this app's schema; `null`: it does. */
export const misfitState = (shape: TypeShape, key: Key, { values, parts }: ObjectState): string | null => {
  const wrong = misfitKey(shape, key) ?? misfitValues(shape, key, values);
  if (wrong !== null || parts === null) return wrong;
  for (const property of shape.properties.values()) {
    const { list, entries } = partIn(parts, property.name);
    const present = [...entries].flatMap(([name, { value, gone }]) => (gone ? [] : [[name, value] as const]));
    const elements = list.elements.map(({ value }) => value);
    const wrongPart = misfitElements(property, elements) ?? misfitEntries(property, present);
    if (wrongPart !== null) return `${nameOf(shape, key, property.name)} ${wrongPart}`;
  }
  return null;
};
