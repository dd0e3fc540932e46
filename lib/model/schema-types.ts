import type { ValueType } from './value-types.js';
import type { Schema } from './schema.js';

/** A value of a `mixed` property. */
export type Mixed =
  null | boolean | number | string | Uint8Array | readonly Mixed[] | { readonly [name: string]: Mixed };

interface NativeTypes {
  readonly string: string;
  readonly int: number;
  readonly double: number;
  readonly bool: boolean;
  readonly date: Date;
  readonly data: Uint8Array;
  readonly uuid: string;
  readonly mixed: Mixed;
}

/** The type of a property as text, with or without a default. */
type TextOf<P> = P extends { readonly type: infer T } ? T : P;
type PropertiesOf<S extends Schema, T extends keyof S> = S[T]['properties'];

type KeyKind<S extends Schema, T extends keyof S> = TextOf<PropertiesOf<S, T>[S[T]['primaryKey']]>;
type BaseOf<S extends Schema, B> = B extends ValueType
  ? NativeTypes[B]
  : B extends keyof S
    ? Extract<NativeTypes[Extract<KeyKind<S, B>, ValueType>], string | number>
    : never;
type SlotOf<S extends Schema, E> = E extends `${infer B}?` ? BaseOf<S, B> | null : BaseOf<S, E>;
type ContainerValueOf<S extends Schema, P> = P extends 'counter'
  ? number
  : P extends `${infer E}[]` | `${infer E}<>`
    ? readonly SlotOf<S, E>[]
    : P extends `${infer E}{}`
      ? Readonly<Record<string, SlotOf<S, E>>>
      : SlotOf<S, P>;
/** A property of a schema that is only known at run time has an unknown type. */
type PropertyOf<S extends Schema, P> = string extends TextOf<P> ? unknown : ContainerValueOf<S, TextOf<P>>;

type CollectionText = `${string}[]` | `${string}<>` | `${string}{}`;
/** Whether a new object may omit a property: it may be null, begins empty or at 0, or has a default. */
type IsOptional<P> = P extends { readonly default: unknown }
  ? true
  : TextOf<P> extends `${string}?` | CollectionText | 'counter' | 'mixed'
    ? true
    : false;
type OptionalNames<P> = { [K in keyof P]: IsOptional<P[K]> extends true ? K : never }[keyof P];
type Flatten<T> = { [K in keyof T]: T[K] };

/** The names of a schema's types. */
export type TypeName<S extends Schema> = keyof S & string;

/**
 * An object as readers get it: frozen, with all properties. A link is the primary key of its target.
 *
 * @example
 * ```ts
 * type Task = ObjectOf<typeof schema, 'Task'>;
 * const titleOf = ({ title }: Task) => title;
 * ```
 */
export type ObjectOf<S extends Schema, T extends TypeName<S>> = Flatten<{
  readonly [K in keyof PropertiesOf<S, T>]: PropertyOf<S, PropertiesOf<S, T>[K]>;
}>;

/**
 * The type of the primary key of an object type: `string` or `number`.
 *
 * @example
 * ```ts
 * const openTask = (key: KeyOf<typeof schema, 'Task'>) => show(realm.get('Task', key));
 * ```
 */
export type KeyOf<S extends Schema, T extends TypeName<S>> =
  string extends KeyKind<S, T> ? string | number : Extract<BaseOf<S, T>, string | number>;

/**
 * The argument of `create`. A property may be omitted when it may be `null`, is a collection or a counter, or has a
 * default.
 *
 * @example
 * ```ts
 * const task: NewObject<typeof schema, 'Task'> = { id: 'milk', title: 'Buy milk' };
 * ```
 */
export type NewObject<S extends Schema, T extends TypeName<S>> = Flatten<
  {
    readonly [K in Exclude<keyof PropertiesOf<S, T>, OptionalNames<PropertiesOf<S, T>>>]: PropertyOf<
      S,
      PropertiesOf<S, T>[K]
    >;
  } & {
    readonly [K in OptionalNames<PropertiesOf<S, T>>]?: PropertyOf<S, PropertiesOf<S, T>[K]>;
  }
>;

type NamesOf<S extends Schema, T extends TypeName<S>, Texts> = {
  [K in keyof PropertiesOf<S, T>]: string extends TextOf<PropertiesOf<S, T>[K]>
    ? K & string
    : TextOf<PropertiesOf<S, T>[K]> extends Texts
      ? K & string
      : never;
}[keyof PropertiesOf<S, T>];

/** The names of the counters of an object type. */
export type CounterOf<S extends Schema, T extends TypeName<S>> = NamesOf<S, T, 'counter'>;
/** The names of the lists of an object type. */
export type ListOf<S extends Schema, T extends TypeName<S>> = NamesOf<S, T, `${string}[]`>;
/** The names of the sets of an object type. */
export type SetOf<S extends Schema, T extends TypeName<S>> = NamesOf<S, T, `${string}<>`>;
/** The names of the dictionaries of an object type. */
export type DictionaryOf<S extends Schema, T extends TypeName<S>> = NamesOf<S, T, `${string}{}`>;

/** The type of one element of a list or set, or of one value of a dictionary. */
export type ElementOf<S extends Schema, T extends TypeName<S>, P extends keyof PropertiesOf<S, T>> =
  string extends TextOf<PropertiesOf<S, T>[P]>
    ? unknown
    : TextOf<PropertiesOf<S, T>[P]> extends `${infer E}[]` | `${infer E}<>` | `${infer E}{}`
      ? SlotOf<S, E>
      : never;

/** The counters of a schema that the compiler knows. */
type KnownCounterOf<S extends Schema, T extends TypeName<S>> = string extends CounterOf<S, T> ? never : CounterOf<S, T>;

/**
 * The argument of `update`: some properties. The primary key never changes, and counters are changed by `increment`.
 *
 * @example
 * ```ts
 * const patch: Patch<typeof schema, 'Task'> = { title: 'Buy oat milk' };
 * ```
 */
export type Patch<S extends Schema, T extends TypeName<S>> = {
  readonly [K in Exclude<keyof PropertiesOf<S, T>, S[T]['primaryKey'] | KnownCounterOf<S, T>>]?: PropertyOf<
    S,
    PropertiesOf<S, T>[K]
  >;
};

/** The return type of the function of a write. It is not a promise, because a write is synchronous. */
export type Synchronous<R> = R extends PromiseLike<unknown> ? 'The function of a write must not be asynchronous.' : R;

type IsBase<S, B> = B extends ValueType ? true : B extends keyof S ? true : false;
type IsSlot<S, E> = E extends `${infer B}?` ? IsBase<S, B> : IsBase<S, E>;
type IsProperty<S, P> = P extends 'counter'
  ? true
  : P extends `${infer E}[]` | `${infer E}<>` | `${infer E}{}`
    ? IsSlot<S, E>
    : IsSlot<S, P>;

/**
 * The type that the compiler expects when a property has an unknown type. An object instead of a text: texts that
 * exclude each other would make the whole schema impossible, and every property an error.
 */
interface NoSuchType<Allowed> {
  readonly 'no such type; allowed, each also with "?" for null, and then "[]", "<>" or "{}"': Allowed;
}

type ValidProperty<S, P> =
  string extends TextOf<P>
    ? P
    : IsProperty<S, TextOf<P>> extends true
      ? P
      : P extends { readonly type: unknown }
        ? { readonly type: NoSuchType<ValueType | 'counter' | (keyof S & string)> }
        : NoSuchType<ValueType | 'counter' | (keyof S & string)>;

interface NoSuchKey<Properties> {
  readonly 'no primary key; allowed are the properties of type string, uuid or int': keyof Properties;
}

/** The type that the compiler expects when it knows the primary key of a schema only as `string`. */
interface SchemaNeedsAsConst {
  readonly 'write "as const" after a schema in a variable, or write the schema inside openRealm': never;
}

/** The properties that can be a primary key. */
type KeysIn<P> = { [K in keyof P as IsKey<P[K]> extends true ? K : never]: P[K] };

/** Whether a property can be a primary key. */
type IsKey<P> = string extends TextOf<P> ? true : TextOf<P> extends 'string' | 'uuid' | 'int' ? true : false;

type ValidKey<K, Properties> = K extends keyof Properties
  ? IsKey<Properties[K]> extends true
    ? K
    : NoSuchKey<KeysIn<Properties>>
  : string extends K
    ? SchemaNeedsAsConst
    : NoSuchKey<KeysIn<Properties>>;

/**
 * A schema whose property types all exist. The compiler reports the wrong property and lists what is allowed. Schemas
 * that are only known at run time pass, and are checked then.
 */
export type ValidSchema<S extends Schema> = {
  readonly [T in keyof S]: {
    readonly primaryKey: ValidKey<S[T]['primaryKey'], S[T]['properties']>;
    readonly properties: { readonly [P in keyof S[T]['properties']]: ValidProperty<S, S[T]['properties'][P]> };
  };
};
