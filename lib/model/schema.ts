import { InvalidArgumentError, SchemaError } from './errors.js';
import { kinds, type Kind } from './kinds.js';

/** The type of a property: a kind of value, with `?` where `null` is allowed. */
export type PropertyType = Kind | `${Kind}?`;

export interface ObjectSchema {
  /** The property that names an object: a `string`, `uuid` or `int` that never changes. */
  readonly primaryKey: string;
  readonly properties: Readonly<Record<string, PropertyType>>;
}

/** The types of object a realm holds, by name. */
export type Schema = Readonly<Record<string, ObjectSchema>>;

interface Natural {
  readonly string: string;
  readonly int: number;
  readonly double: number;
  readonly bool: boolean;
  readonly date: Date;
  readonly data: Uint8Array;
  readonly uuid: string;
}

type PropertyOf<P> = P extends `${infer K extends Kind}?` ? Natural[K] | null : P extends Kind ? Natural[P] : never;
type PropertiesOf<S extends Schema, T extends keyof S> = S[T]['properties'];
type OptionalNames<P> = { [K in keyof P]: P[K] extends `${Kind}?` ? K : never }[keyof P];
type Flat<T> = { [K in keyof T]: T[K] };

/** The names of a schema's types. */
export type TypeName<S extends Schema> = keyof S & string;

/** An object as readers get it: frozen, all properties present. */
export type ObjectOf<S extends Schema, T extends TypeName<S>> = Flat<{
  readonly [K in keyof PropertiesOf<S, T>]: PropertyOf<PropertiesOf<S, T>[K]>;
}>;

/** The primary key of a type. */
export type KeyOf<S extends Schema, T extends TypeName<S>> = Extract<
  PropertyOf<PropertiesOf<S, T>[S[T]['primaryKey']]>,
  string | number
>;

/** What `create` takes: everything, optional properties may be left out. */
export type NewObject<S extends Schema, T extends TypeName<S>> = Flat<
  {
    readonly [K in Exclude<keyof PropertiesOf<S, T>, OptionalNames<PropertiesOf<S, T>>>]: PropertyOf<
      PropertiesOf<S, T>[K]
    >;
  } & {
    readonly [K in OptionalNames<PropertiesOf<S, T>>]?: PropertyOf<PropertiesOf<S, T>[K]>;
  }
>;

/** What `update` takes: some properties, never the primary key. */
export type Patch<S extends Schema, T extends TypeName<S>> = {
  readonly [K in Exclude<keyof PropertiesOf<S, T>, S[T]['primaryKey']>]?: PropertyOf<PropertiesOf<S, T>[K]>;
};

/** One property, looked up once. */
export interface Property {
  readonly name: string;
  readonly kind: Kind;
  readonly optional: boolean;
}

/** One type, looked up once. */
export interface TypeShape {
  readonly name: string;
  readonly primaryKey: Property;
  readonly properties: ReadonlyMap<string, Property>;
}

/** A schema that makes sense, ready for use. */
export type Shapes = ReadonlyMap<string, TypeShape>;

const nameExpected = '1 to 64 letters, digits or underscores, starting with a letter';
const isName = (name: string): boolean => /^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(name);

const propertyOf = (type: string, name: string, given: unknown): Property => {
  const text = typeof given === 'string' ? given : '';
  const kind = text.replace(/\?$/, '');
  if (!isName(name))
    throw new SchemaError({ type, property: name, expected: `a name of ${nameExpected}`, received: name });
  if (!(kinds as readonly string[]).includes(kind)) {
    const expected = `one of ${kinds.join(', ')}, each with "?" where it may be null (lists, sets, dictionaries, counters and links are not supported yet)`;
    throw new SchemaError({ type, property: name, expected, received: given });
  }
  return { name, kind: kind as Kind, optional: text.endsWith('?') };
};

const shapeOf = (type: string, given: unknown): TypeShape => {
  if (!isName(type)) throw new SchemaError({ type, expected: `a type name of ${nameExpected}`, received: type });
  const { primaryKey, properties } = (given ?? {}) as Partial<ObjectSchema>;
  if (typeof properties !== 'object' || (properties as unknown) === null || Array.isArray(properties)) {
    throw new SchemaError({ type, expected: 'a record of properties', received: properties });
  }
  const shapes = new Map(Object.entries(properties).map(([name, text]) => [name, propertyOf(type, name, text)]));
  const key = typeof primaryKey === 'string' ? shapes.get(primaryKey) : undefined;
  if (key === undefined || key.optional || !['string', 'uuid', 'int'].includes(key.kind)) {
    throw new SchemaError({
      type,
      expected: 'primaryKey to name a property of type string, uuid or int',
      received: primaryKey,
    });
  }
  return { name: type, primaryKey: key, properties: shapes };
};

/** A schema that makes sense, or a `SchemaError` that says why it does not. */
export const checkedSchema = (schema: unknown): Shapes => {
  if (typeof schema !== 'object' || schema === null || Object.keys(schema).length === 0) {
    throw new InvalidArgumentError('schema', 'a record with at least one type', schema);
  }
  return new Map(Object.entries(schema).map(([name, given]) => [name, shapeOf(name, given)]));
};
