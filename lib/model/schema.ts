import { describeValue, InvalidArgumentError, SchemaError } from './errors.js';
import {
  type ValueType,
  valueTypes,
  toAppValue,
  type Slot,
  toStoredValue,
  toSlotValue,
  zeroValues,
} from './value-types.js';
import { limits } from './limits.js';
import type { Value } from './value.js';

/**
 * The content of a property: one value, a list, set or dictionary of values, or a counter that several devices
 * increment.
 */
export type Container = 'value' | 'list' | 'set' | 'dictionary' | 'counter';

/**
 * The type of a property, as text.
 *
 * - A value type: `string`, `int`, `double`, `bool`, `date`, `data` (bytes), `uuid` or `mixed`.
 * - The name of an object type of the schema, for a link to an object.
 * - Either of them with `?`, which allows `null`: `date?`.
 * - Any of these with `[]` for a list, `<>` for a set or `{}` for a dictionary: `string<>`, `User?[]`.
 * - `counter`, for a whole number that several devices can increment.
 *
 * @example
 * ```ts
 * const schema = {
 *   Task: {
 *     primaryKey: 'id',
 *     properties: { id: 'string', title: 'string', due: 'date?', owner: 'User?', tags: 'string<>', votes: 'counter' },
 *   },
 *   User: { primaryKey: 'id', properties: { id: 'uuid', name: 'string' } },
 * } as const;
 * ```
 */
export type PropertyType = string;

/**
 * The type of a property, and its value in a new object that omits it.
 *
 * @example
 * ```ts
 * const created: PropertySpec = { type: 'date', default: () => new Date() };
 * ```
 */
export interface PropertySpec {
  /** The type of the property, as text. */
  readonly type: PropertyType;
  /**
   * A value, or a function that returns a value for each new object. A list, set or dictionary takes only a function.
   *
   * @defaultValue `null` for a type with `?` and for `mixed`, 0 for a counter, an empty collection; other properties
   * must be given
   */
  readonly default?: unknown;
}

/**
 * One object type of a schema.
 *
 * @example
 * ```ts
 * const Task: ObjectSchema = { primaryKey: 'id', properties: { id: 'string', title: 'string' } };
 * ```
 */
export interface ObjectSchema {
  /** The property that identifies an object: a `string`, `uuid` or `int` that never changes. */
  readonly primaryKey: string;
  /** The properties by name, including the primary key. */
  readonly properties: Readonly<Record<string, PropertyType | PropertySpec>>;
}

/**
 * The object types of a realm, by name.
 *
 * @example
 * ```ts
 * const schema = {
 *   Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: { type: 'bool', default: false } } },
 * } as const;
 * ```
 */
export type Schema = Readonly<Record<string, ObjectSchema>>;

/** One property of a checked schema. */
export interface Property extends Slot {
  readonly name: string;
  readonly container: Container;
  /**
   * Returns the value for a new object that omits the property. `null`: the object must have it, or the collection is
   * empty.
   */
  readonly fallback: (() => unknown) | null;
}

/** One type of a checked schema. */
export interface TypeShape {
  readonly name: string;
  readonly primaryKey: Property;
  readonly properties: ReadonlyMap<string, Property>;
  /**
   * The value that readers see of a property while no app has written it, because the property is newer than the
   * object: its default where that is a value, else `null` or the zero value of its type. A required link has no such
   * value: the object is not shown then.
   */
  readonly missing: ReadonlyMap<string, Value>;
}

/** A checked schema. */
export type Shapes = ReadonlyMap<string, TypeShape>;

const nameExpected = `1 to ${limits.nameCharsMax} letters, digits or underscores, starting with a letter`;
const isName = (name: string): boolean => /^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name);
const propertyTypePattern = /^([A-Za-z][A-Za-z0-9_]*)(\??)(\[\]|<>|\{\})?$/;
const containers: Readonly<Record<string, Container>> = { '[]': 'list', '<>': 'set', '{}': 'dictionary' };

const propertyExpected = `"counter", or one of ${valueTypes.join(', ')} or a type of this schema, then "?" where it may be null, then "[]" for a list, "<>" for a set, "{}" for a dictionary`;

type SchemaInput = Readonly<Record<string, ObjectSchema>>;

/** Returns the slot of a property. A link is stored as the primary key of its target. */
const slotOf = (schema: SchemaInput, name: string, isOptional: boolean): Slot | undefined => {
  if ((valueTypes as readonly string[]).includes(name)) {
    return { kind: name as ValueType, optional: isOptional || name === 'mixed', link: null };
  }
  const target = Object.hasOwn(schema, name) ? schema[name] : undefined;
  const key: unknown = (target as Partial<ObjectSchema> | undefined)?.properties?.[target?.primaryKey ?? ''];
  const keyType = typeof key === 'string' ? key : (key as PropertySpec | undefined)?.type;
  return keyType === undefined ? undefined : { kind: keyType as ValueType, optional: isOptional, link: name };
};

const propertySpecOf = (type: string, name: string, given: unknown): PropertySpec => {
  if (typeof given === 'string') return { type: given };
  if (typeof given === 'object' && given !== null && typeof (given as PropertySpec).type === 'string') {
    const unknown = Object.keys(given).find((key) => key !== 'type' && key !== 'default');
    if (unknown === undefined) return given as PropertySpec;
    throw new SchemaError({ type, property: name, expected: 'a record with only type and default', received: unknown });
  }
  throw new SchemaError({ type, property: name, expected: propertyExpected, received: given });
};

const defaultOf = (type: string, property: Omit<Property, 'fallback'>, given: unknown): Property['fallback'] => {
  if (given === undefined) return null;
  const { name, container, kind } = property;
  const reject = (expected: string): never => {
    throw new SchemaError({ type, property: name, expected, received: given });
  };
  if (typeof given === 'function') return given as () => unknown;
  if (container === 'counter') {
    if (toStoredValue('int', given) === undefined) reject('a property whose default is a whole number or a function');
  } else if (container === 'value') {
    if (toSlotValue(property, given) === undefined) reject(`a property whose default is a ${kind} or a function`);
  } else reject('a collection whose default is a function');
  // Copied, because the app may change its value later.
  const kept = container === 'value' ? toAppValue(kind, toSlotValue(property, given) ?? null) : given;
  return () => kept;
};

/** Returns the value that readers see of a property that no app has written. */
const missingValueOf = (property: Omit<Property, 'fallback'>, given: unknown): Value | undefined => {
  const { container, kind, optional, link } = property;
  if (container !== 'value') return null;
  if (given !== undefined && typeof given !== 'function') return toSlotValue(property, given);
  if (optional) return null;
  return link === null ? zeroValues[kind] : undefined;
};

const propertyOf = (schema: SchemaInput, type: string, name: string, given: unknown): Property => {
  if (!isName(name)) {
    throw new SchemaError({ type, property: name, expected: `a name of ${nameExpected}`, received: name });
  }
  const spec = propertySpecOf(type, name, given);
  const [, base = '', mark = '', suffix] = propertyTypePattern.exec(spec.type) ?? [];
  const isCounter = spec.type === 'counter';
  const slot = isCounter ? { kind: 'int' as const, optional: false, link: null } : slotOf(schema, base, mark === '?');
  if (!slot) throw new SchemaError({ type, property: name, expected: propertyExpected, received: spec.type });
  const container = isCounter ? 'counter' : suffix === undefined ? 'value' : (containers[suffix] ?? 'value');
  const property = { ...slot, name, container };
  return { ...property, fallback: defaultOf(type, property, spec.default) };
};

const shapeOf = (schema: SchemaInput, type: string, given: unknown): TypeShape => {
  if (!isName(type)) throw new SchemaError({ type, expected: `a type name of ${nameExpected}`, received: type });
  if ([...valueTypes, 'counter'].includes(type)) {
    throw new SchemaError({ type, expected: 'a type name other than those of value types', received: type });
  }
  const { primaryKey, properties, ...rest } = (given ?? {}) as Partial<ObjectSchema>;
  const [unknown] = typeof given === 'object' ? Object.keys(rest) : [];
  if (unknown !== undefined) {
    throw new SchemaError({ type, expected: 'a record with only primaryKey and properties', received: unknown });
  }
  if (typeof properties !== 'object' || (properties as unknown) === null || Array.isArray(properties)) {
    throw new SchemaError({ type, expected: 'a record of properties', received: properties });
  }
  const shapes = new Map(
    Object.entries(properties).map(([name, text]) => [name, propertyOf(schema, type, name, text)]),
  );
  const key = typeof primaryKey === 'string' ? shapes.get(primaryKey) : undefined;
  if (key === undefined || !isKeyProperty(key)) {
    const name = String(primaryKey);
    const isFound = Object.hasOwn(properties, name);
    const expected = 'string, uuid or int, and not nullable';
    throw new SchemaError({
      ...{ type, property: isFound ? name : 'primaryKey', expected, received: primaryKey },
      problem: isFound
        ? `is "${propertySpecOf(type, name, properties[name]).type}"`
        : `is ${describeValue(primaryKey)}, but ${type} has no property of this name`,
      advice: `A primary key must be ${expected}.`,
    });
  }
  const missing = [...shapes.values()].flatMap((property): (readonly [string, Value])[] => {
    const value = missingValueOf(property, propertySpecOf(type, property.name, properties[property.name]).default);
    return value === undefined ? [] : [[property.name, value]];
  });
  return { name: type, primaryKey: key, properties: shapes, missing: new Map(missing) };
};

const isKeyProperty = ({ kind, container, optional, link }: Property): boolean =>
  container === 'value' && !optional && link === null && ['string', 'uuid', 'int'].includes(kind);

/**
 * Checks a schema.
 *
 * @throws InvalidArgumentError for a value that is not a record of types.
 * @throws SchemaError for an invalid type or property.
 */
export const checkSchema = (schema: unknown): Shapes => {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema) || Object.keys(schema).length === 0) {
    throw new InvalidArgumentError('schema', 'a record with at least one type, such as { Task: { … } }', schema);
  }
  return new Map(Object.entries(schema).map(([name, given]) => [name, shapeOf(schema as SchemaInput, name, given)]));
};

/** Returns a text that is the same for schemas that fit the same objects, and for no others. */
export const fingerprintOf = (shapes: Shapes): string =>
  [...shapes.values()]
    .map(({ name, primaryKey, properties, missing }) => {
      const all = [...properties.values()].map(
        ({ name: property, kind, optional, container }) =>
          `${property}:${kind}${optional ? '?' : ''}:${container}${missing.has(property) ? '' : '!'}`,
      );
      return `${name}(${[primaryKey.name, ...all.sort()].join()})`;
    })
    .sort()
    .join();
