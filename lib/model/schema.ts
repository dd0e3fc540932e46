import { InvalidArgumentError, SchemaError } from './errors.js';
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

/** What a property holds: one value, a list, a set or a dictionary of values, or a count that many add to. */
export type Container = 'value' | 'list' | 'set' | 'dictionary' | 'counter';

/**
 * The type of a property: a kind of value or the name of a type to link to, with `?` where `null` is allowed, and then
 * `[]` for a list of them, `<>` for a set, `{}` for a dictionary; or `counter`.
 */
export type PropertyType = string;

/** The type of a property, and what it is in a new object that does not say. */
export interface PropertySpec {
  readonly type: PropertyType;
  /** A value, or a function that makes one for each new object. */
  readonly default?: unknown;
}

export interface ObjectSchema {
  /** The property that names an object: a `string`, `uuid` or `int` that never changes. */
  readonly primaryKey: string;
  readonly properties: Readonly<Record<string, PropertyType | PropertySpec>>;
}

/** The types of object a realm holds, by name. */
export type Schema = Readonly<Record<string, ObjectSchema>>;

/** One property, looked up once. */
export interface Property extends Slot {
  readonly name: string;
  readonly container: Container;
  /** Makes the value of a new object that does not say; `null`: it has to say, or the container is empty. */
  readonly fallback: (() => unknown) | null;
}

/** One type, looked up once. */
export interface TypeShape {
  readonly name: string;
  readonly primaryKey: Property;
  readonly properties: ReadonlyMap<string, Property>;
  /**
   * What readers see of a property while no app has written it, because it is newer than the object: its default where
   * that is a value, else `null` or the kind's zero. A link that has to be there is not in it: then the object is not
   * shown.
   */
  readonly missing: ReadonlyMap<string, Value>;
}

/** A schema that makes sense, ready for use. */
export type Shapes = ReadonlyMap<string, TypeShape>;

const nameExpected = `1 to ${limits.nameCharsMax} letters, digits or underscores, starting with a letter`;
const isName = (name: string): boolean => /^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name);
const propertyTypePattern = /^([A-Za-z][A-Za-z0-9_]*)(\??)(\[\]|<>|\{\})?$/;
const containers: Readonly<Record<string, Container>> = { '[]': 'list', '<>': 'set', '{}': 'dictionary' };

const propertyExpected = `counter, or one of ${valueTypes.join(', ')} or a type of this schema, then "?" where it may be null, then "[]" for a list, "<>" for a set, "{}" for a dictionary`;

type SchemaInput = Readonly<Record<string, ObjectSchema>>;

/** A link is stored as the primary key of what it links to. */
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
    throw new SchemaError({ type, property: name, expected: 'type and default', received: unknown });
  }
  throw new SchemaError({ type, property: name, expected: propertyExpected, received: given });
};

const defaultOf = (type: string, property: Omit<Property, 'fallback'>, given: unknown): Property['fallback'] => {
  if (given === undefined) return null;
  const { name, container, kind } = property;
  const refuse = (expected: string): never => {
    throw new SchemaError({ type, property: name, expected, received: given });
  };
  if (typeof given === 'function') return given as () => unknown;
  if (container === 'counter') {
    if (toStoredValue('int', given) === undefined) refuse('a whole number as its default, or a function');
  } else if (container === 'value') {
    if (toSlotValue(property, given) === undefined) refuse(`a default that is a ${kind}, or a function`);
  } else refuse('a function as the default of a collection');
  // A copy: the app may change what it gave.
  const kept = container === 'value' ? toAppValue(kind, toSlotValue(property, given) ?? null) : given;
  return () => kept;
};

/** What readers see of a property that no app has written. */
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
    throw new SchemaError({ type, expected: 'a type name that is no kind of value', received: type });
  }
  const { primaryKey, properties, ...rest } = (given ?? {}) as Partial<ObjectSchema>;
  const [unknown] = typeof given === 'object' ? Object.keys(rest) : [];
  if (unknown !== undefined) {
    throw new SchemaError({ type, expected: 'primaryKey and properties', received: unknown });
  }
  if (typeof properties !== 'object' || (properties as unknown) === null || Array.isArray(properties)) {
    throw new SchemaError({ type, expected: 'a record of properties', received: properties });
  }
  const shapes = new Map(
    Object.entries(properties).map(([name, text]) => [name, propertyOf(schema, type, name, text)]),
  );
  const key = typeof primaryKey === 'string' ? shapes.get(primaryKey) : undefined;
  if (key === undefined || !isKeyProperty(key)) {
    throw new SchemaError({
      type,
      expected: 'primaryKey to name a property of type string, uuid or int',
      received: primaryKey,
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

/** A schema that makes sense, or a `SchemaError` that says why it does not. */
export const checkSchema = (schema: unknown): Shapes => {
  if (typeof schema !== 'object' || schema === null || Object.keys(schema).length === 0) {
    throw new InvalidArgumentError('schema', 'a record with at least one type', schema);
  }
  return new Map(Object.entries(schema).map(([name, given]) => [name, shapeOf(schema as SchemaInput, name, given)]));
};

/** A text that is the same for schemas that fit the same objects, and for no others. */
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
