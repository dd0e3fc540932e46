import { isBytes, isDate, isRegExp } from '../model/built-ins.js';
import siftModule from 'sift';
import { InvalidArgumentError } from '../model/errors.js';
import { expectationOf, stored } from '../model/kinds.js';
import type { Property, Schema, TypeShape } from '../model/schema.js';
import type { ObjectOf, TypeName } from '../model/types.js';
import { compareValues, isPlain, isRecord, sameValue, type Value } from '../model/value.js';
import type { View } from './views.js';

/** What one value has to be like, in MongoDB's filter language: all that is said must hold. */
export interface Condition<V> {
  readonly $eq?: V;
  readonly $ne?: V;
  readonly $gt?: V;
  readonly $gte?: V;
  readonly $lt?: V;
  readonly $lte?: V;
  readonly $in?: readonly V[];
  readonly $nin?: readonly V[];
  /** A text that it matches. */
  readonly $regex?: RegExp;
  readonly $not?: Condition<V>;
}

/** What a list or a set has to be like. */
export interface CollectionCondition<E> {
  /** All of these are in it. */
  readonly $all?: readonly E[];
  /** It has so many elements. */
  readonly $size?: number;
  /** One of its elements is like this. */
  readonly $elemMatch?: Condition<E>;
}

type ConditionOn<V> = V extends readonly (infer E)[] ? V | E | CollectionCondition<E> | Condition<E> : V | Condition<V>;

/** Which objects: each property has to have a value, or be like a condition; a list or set may also be named an element that it has. */
export type Filter<O> = {
  readonly [K in keyof O]?: ConditionOn<O[K]>;
} & {
  readonly $and?: readonly Filter<O>[];
  readonly $or?: readonly Filter<O>[];
  readonly $nor?: readonly Filter<O>[];
};

/** As `Filter`, of an object of a schema; or a predicate: pure, quick, and called again for what changes. */
export type Where<S extends Schema, T extends TypeName<S>> =
  Filter<ObjectOf<S, T>> | ((object: ObjectOf<S, T>) => boolean);

type Matches = (view: View) => boolean;

// Its types are those of a module, but in Node it is CommonJS: what is imported is the function itself in both.
const sift = siftModule as unknown as (condition: object, options: object) => (value: unknown) => boolean;

const operands = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte'];
const manyOperands = ['$in', '$nin', '$all'];
const operators = [...operands, ...manyOperands, '$regex', '$not', '$size', '$elemMatch'];

/** A value of a view as it is stored: a `Date` as its time. */
export const storedForm = (shown: unknown): Value => (isDate(shown) ? shown.getTime() : (shown as Value));

const isSame = (a: unknown, b: unknown): boolean => sameValue(storedForm(a ?? null), storedForm(b ?? null));

type Creates = (
  operand: unknown,
  owner: unknown,
  options: { readonly operations: { readonly $eq: Creates } },
) => unknown;

const classOf = (value: Value): string =>
  value === null ? 'null' : isBytes(value) ? 'bytes' : Array.isArray(value) ? 'array' : typeof value;

/** An operator that compares: values of its operand's own kind only, in the order that `sort` has. */
const ordered =
  (accepts: (order: number) => boolean): Creates =>
  (operand, owner, options) => {
    const bound = storedForm(operand);
    const isIn = (given: unknown): boolean => {
      const value = storedForm(given ?? null);
      return classOf(value) === classOf(bound) && accepts(compareValues(value, bound));
    };
    return options.operations.$eq(isIn, owner, options);
  };

/** Values are the same, and in order, as everywhere else here: sift knows neither of bytes. */
const semantics = {
  compare: isSame,
  operations: {
    $gt: ordered((order) => order > 0),
    $gte: ordered((order) => order >= 0),
    $lt: ordered((order) => order < 0),
    $lte: ordered((order) => order <= 0),
  },
};

const isCondition = (given: unknown): given is Readonly<Record<string, unknown>> =>
  isRecord(given) &&
  isPlain(given) &&
  Object.keys(given).length > 0 &&
  Object.keys(given).every((name) => name.startsWith('$'));

/** A value to compare with, as views have it, or an error. */
const operand = (place: string, property: Property, given: unknown): unknown => {
  if (given === null) return null;
  const value = stored(property.kind, given);
  if (value === undefined) throw new InvalidArgumentError(place, expectationOf(property), given);
  return property.kind === 'date' ? new Date(value as number) : value;
};

const many = (place: string, property: Property, given: unknown): readonly unknown[] => {
  if (!Array.isArray(given)) throw new InvalidArgumentError(place, 'an array', given);
  return Array.from(given, (each) => operand(place, property, each));
};

/** How long the path to a condition may be: nobody writes one that is longer, but for what is in itself. */
const placeCharsMax = 1_000;

const checkPlace = (place: string): void => {
  if (place.length > placeCharsMax)
    throw new InvalidArgumentError('where', `conditions whose paths have up to ${placeCharsMax} characters`, place);
};

/** A condition as it is understood, every operand in the form that views have. */
const checkedCondition = (place: string, property: Property, given: Readonly<Record<string, unknown>>): object => {
  checkPlace(place);
  return Object.fromEntries(
    Object.entries(given).map(([operator, value]): [string, unknown] => {
      const at = `${place}.${operator}`;
      if (operands.includes(operator)) return [operator, operand(at, property, value)];
      // As a test or a condition: a record that is a value must not be read as one.
      if (operator === '$all') return [operator, many(at, property, value).map(($eq) => ({ $eq }))];
      if (manyOperands.includes(operator)) {
        return [operator, many(at, property, value).map((one) => (it: unknown) => isSame(one, it))];
      }
      const isNested = operator === '$not' || operator === '$elemMatch';
      if (isNested && isCondition(value)) return [operator, checkedCondition(at, property, value)];
      if (operator === '$regex' && isRegExp(value)) return [operator, value];
      if (operator === '$size' && Number.isSafeInteger(value)) return [operator, value];
      if (!operators.includes(operator)) {
        throw new InvalidArgumentError(place, `conditions: ${operators.join(', ')}`, operator);
      }
      throw new InvalidArgumentError(
        at,
        isNested ? 'a record of conditions' : operator === '$size' ? 'a whole number' : 'a RegExp',
        value,
      );
    }),
  );
};

const sameAs =
  (name: string, wanted: Value): Matches =>
  (view) =>
    sameValue(storedForm(view[name]), wanted);

/** A whole collection, or one element of a list or set. */
const collectionMatches = (place: string, property: Property, given: unknown): Matches => {
  const { name, container } = property;
  const collected = (view: View): readonly unknown[] => view[name] as readonly unknown[];
  if (Array.isArray(given) && container !== 'dictionary') {
    const wanted = Array.from(given, (each) => storedForm(operand(place, property, each)));
    return (view) => sameValue(collected(view).map(storedForm), wanted);
  }
  if (container === 'dictionary') {
    if (typeof given !== 'object' || given === null) throw new InvalidArgumentError(place, 'a record', given);
    const wanted = Object.fromEntries(
      Object.entries(given).map(([key, each]) => [key, storedForm(operand(place, property, each))]),
    );
    return (view) => {
      const entries = Object.entries(view[name] as View).map(([key, each]) => [key, storedForm(each)]);
      return sameValue(Object.fromEntries(entries) as Value, wanted);
    };
  }
  const wanted = storedForm(operand(place, property, given));
  return (view) => collected(view).some((each) => sameValue(storedForm(each), wanted));
};

const propertyMatches = (place: string, property: Property, given: unknown): Matches => {
  const { name, container } = property;
  if (isCondition(given)) {
    if (container === 'dictionary' && Object.keys(given).some((key) => operators.includes(key))) {
      throw new InvalidArgumentError(place, 'a whole record: there are no conditions on dictionaries', given);
    }
    if (container === 'dictionary') return collectionMatches(place, property, given);
    const like = sift(checkedCondition(place, property, given), semantics);
    return (view) => like(view[name]);
  }
  if (container !== 'value' && container !== 'counter') return collectionMatches(place, property, given);
  return sameAs(name, storedForm(operand(place, property, given)));
};

const groups: Readonly<Record<string, (all: readonly Matches[]) => Matches>> = {
  $and: (all) => (view) => all.every((matches) => matches(view)),
  $or: (all) => (view) => all.some((matches) => matches(view)),
  $nor: (all) => (view) => !all.some((matches) => matches(view)),
};

/** Says whether an object is one of those; or throws an `InvalidArgumentError` for what makes no sense. */
export const filterOf = (shape: TypeShape, where: unknown, place = 'where'): Matches => {
  checkPlace(place);
  if (!isRecord(where) || !isPlain(where)) {
    throw new InvalidArgumentError(place, place === 'where' ? 'a record or a function' : 'a record', where);
  }
  const all = Object.entries(where).map(([name, given]): Matches => {
    const group = Object.hasOwn(groups, name) ? groups[name] : undefined;
    if (group) {
      if (!Array.isArray(given)) throw new InvalidArgumentError(`${place}.${name}`, 'an array of filters', given);
      return group(Array.from(given, (each: unknown, at) => filterOf(shape, each, `${place}.${name}[${at}]`)));
    }
    const property = shape.properties.get(name);
    if (property) return propertyMatches(`${place}.${name}`, property, given);
    const expected = `properties of ${shape.name}: ${[...shape.properties.keys()].join(', ')}`;
    throw new InvalidArgumentError(place, expected, name);
  });
  return (view) => all.every((matches) => matches(view));
};
