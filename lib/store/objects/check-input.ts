import { isPlainObject } from '../../model/built-ins.js';
import { type ObjectState, propertyValueOf } from '../../merge/object-state.js';
import { describeValue, InvalidArgumentError, SchemaError } from '../../model/errors.js';
import { expectationOf, toStoredValue, toSlotValue } from '../../model/value-types.js';
import { InvalidPartError, mixedOf } from '../../model/mixed-value.js';
import type { Property, TypeShape } from '../../model/schema.js';
import type { Overlay } from '../transaction/overlay.js';
import { isRecord, type Key, isSameValue, type Value } from '../../model/value.js';

/**
 * Checks a record of properties that an app passed. Reads getters of class instances too. Throws an
 * `InvalidArgumentError` for an object without any property of the type, such as a `Map`: it would have no effect.
 */
export const checkRecord = (argument: string, { properties }: TypeShape, given: unknown): Record<string, unknown> => {
  const own = given as Record<string, unknown>;
  if (isRecord(given)) {
    if (isPlainObject(given)) return own;
    const read = [...properties.keys()].filter((name) => ownValueOf(own, name) !== undefined);
    if (read.length > 0) return { ...own, ...Object.fromEntries(read.map((name) => [name, own[name]])) };
  }
  throw new InvalidArgumentError(argument, 'a record of properties', given);
};

/**
 * Reads a property of a record. Names that every object inherits, such as `toString`, count only if they are own
 * properties.
 */
export const ownValueOf = (given: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.hasOwn(given, name) || !(name in Object.prototype) ? given[name] : undefined;

/** Checks a value that an app passed for a property or for one of its elements. `at` names the element in errors. */
export const checkValue = (type: string, key: Key, property: Property, given: unknown, at = ''): Value => {
  const made = property.kind === 'mixed' ? mixedOf(given) : toSlotValue(property, given);
  if (made !== undefined && !(made instanceof InvalidPartError)) return made;
  const expected = expectationOf(property);
  const { path, description } = made ?? { path: '', description: describeValue(given) };
  throw new SchemaError({
    ...{ type, key, expected, received: given, stored: description },
    property: `${property.name}${at}${path}`,
  });
};

export const createUnknownPropertyError = (
  { name: type, properties }: TypeShape,
  key: Key,
  property: string,
  received: unknown,
): SchemaError => {
  const names = [...properties.keys()].join(', ');
  const problem = `has no property "${property}", only ${names}`;
  return new SchemaError({ type, key, property, expected: `one of ${names}`, received, problem });
};

export const checkKnownProperties = (shape: TypeShape, key: Key, given: Record<string, unknown>): void => {
  for (const name of Object.keys(given)) {
    if (!shape.properties.has(name)) throw createUnknownPropertyError(shape, key, name, given[name]);
  }
};

/**
 * Throws a `SchemaError` for changes of an object that is set aside: this app cannot see the state that they would
 * build on.
 */
export const checkNotSetAside = ({ misfit }: Pick<Overlay, 'misfit'>, type: string, key: Key): void => {
  const found = misfit(type, key);
  if (found === null) return;
  const advice = 'The object is set aside because it does not fit the schema of this app. It can only be deleted.';
  throw new SchemaError({ ...found, received: found.stored, advice });
};

export const createMissingObjectError = (type: string, key: Key): SchemaError =>
  new SchemaError({ type, key, expected: 'an existing object', received: undefined, problem: 'does not exist' });

/** The value of a property of a new object: the passed value or the default. */
export const givenOrDefaultOf = ({ name, fallback }: Property, given: Record<string, unknown>): unknown => {
  const value = ownValueOf(given, name);
  return value === undefined && fallback !== null ? fallback() : value;
};

/** Checks and completes the values of a new object. The value of a counter is its start value. */
export const checkNewValues = (
  shape: TypeShape,
  key: Key,
  given: Record<string, unknown>,
): Readonly<Record<string, Value>> => {
  const values: Record<string, Value> = {};
  for (const property of shape.properties.values()) {
    const { name, container, optional } = property;
    if (container !== 'value' && container !== 'counter') continue;
    const empty = container === 'counter' ? 0 : optional ? null : undefined;
    const value = property === shape.primaryKey ? key : givenOrDefaultOf(property, given);
    values[name] = checkValue(shape.name, key, property, value === undefined ? empty : value);
  }
  return values;
};

const patchErrors: Readonly<Record<string, string>> = {
  key: 'left as it is: to change a primary key, delete the object and create another one',
  counter: 'left out of a patch: change a counter with tx.increment',
};

/** Returns the values that a patch changes. */
export const checkPatchValues = (
  shape: TypeShape,
  key: Key,
  state: ObjectState,
  patch: Record<string, unknown>,
): Readonly<Record<string, Value>> => {
  const values: Record<string, Value> = {};
  for (const [name, given] of Object.entries(patch)) {
    const property = shape.properties.get(name);
    if (!property || given === undefined) continue;
    if (property === shape.primaryKey && toStoredValue(property.kind, given) === key) continue;
    const expected = patchErrors[property === shape.primaryKey ? 'key' : property.container];
    if (expected !== undefined) {
      throw new SchemaError({ type: shape.name, key, property: name, expected, received: given });
    }
    if (property.container !== 'value') continue;
    const value = checkValue(shape.name, key, property, given);
    if (!isSameValue(propertyValueOf(state, name), value)) values[name] = value;
  }
  return values;
};
