import { type ObjectState, propertyValueOf } from '../../merge/object-state.js';
import { describeValue, InvalidArgumentError, SchemaError } from '../../model/errors.js';
import { expectationOf, toStoredValue, toSlotValue } from '../../model/value-types.js';
import { InvalidPartError, mixedOf } from '../../model/mixed-value.js';
import type { Property, TypeShape } from '../../model/schema.js';
import type { Overlay } from '../transaction/overlay.js';
import { isPlainObject, isRecord, type Key, isSameValue, type Value } from '../../model/value.js';

/**
 * A record of properties that an app gives, by the name of its argument. Of an object of a class it has what the class
 * computes, too; one without any property of the type, such as a `Map`, is refused: it would do nothing.
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

/** What a record has under a name: of the names that every object has, only its own count. */
export const ownValueOf = (given: Readonly<Record<string, unknown>>, name: string): unknown =>
  Object.hasOwn(given, name) || !(name in Object.prototype) ? given[name] : undefined;

/** One value that an app gives for a property, or for an element of it; `at` says which element. */
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

export const checkKnownProperties = (shape: TypeShape, key: Key, given: Record<string, unknown>): void => {
  for (const name of Object.keys(given)) {
    if (shape.properties.has(name)) continue;
    const expected = `one of ${[...shape.properties.keys()].join(', ')}`;
    throw new SchemaError({ type: shape.name, key, property: name, expected, received: given[name] });
  }
};

/** Refuses changes of an object that this schema cannot show: what they build on is not known here. */
export const checkNotSetAside = ({ misfit }: Pick<Overlay, 'misfit'>, type: string, key: Key): void => {
  const found = misfit(type, key);
  if (found === null) return;
  const advice = 'The object is set aside because it does not fit the schema of this app: it can only be deleted here.';
  throw new SchemaError({ ...found, received: found.stored, advice });
};

/** What a new object has in a property: what is given, or else its default. */
export const givenOrDefaultOf = ({ name, fallback }: Property, given: Record<string, unknown>): unknown => {
  const value = ownValueOf(given, name);
  return value === undefined && fallback !== null ? fallback() : value;
};

/** The values of a new object. A counter's is what it begins with. */
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
  key: 'no new primary key: delete and create instead',
  counter: 'no value for a counter: increment it',
};

/** What a patch changes of the values of an object. */
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
    const refused = patchErrors[property === shape.primaryKey ? 'key' : property.container];
    if (refused !== undefined) {
      throw new SchemaError({ type: shape.name, key, property: name, expected: refused, received: given });
    }
    if (property.container !== 'value') continue;
    const value = checkValue(shape.name, key, property, given);
    if (!isSameValue(propertyValueOf(state, name), value)) values[name] = value;
  }
  return values;
};
