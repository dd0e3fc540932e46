import { InvalidArgumentError } from '../../model/errors.js';
import type { Property, Schema, TypeShape } from '../../model/schema.js';
import type { ObjectOf, TypeName } from '../../model/schema-types.js';
import { isPlainObject, isRecord, isSameValue, type Value } from '../../model/value.js';
import {
  checkPath,
  createConditionTest,
  isCondition,
  checkOperand,
  operators,
  storedValueOf,
} from './filter-conditions.js';
import type { View } from '../objects/object-view.js';

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

/**
 * Which objects: each property has to have a value, or be like a condition; a list or set may also be named an element
 * that it has.
 */
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

type ViewPredicate = (view: View) => boolean;

const createEqualsPredicate =
  (name: string, wanted: Value): ViewPredicate =>
  (view) =>
    isSameValue(storedValueOf(view[name]), wanted);

/** A whole collection, or one element of a list or set. */
const createCollectionPredicate = (place: string, property: Property, given: unknown): ViewPredicate => {
  const { name, container } = property;
  const collected = (view: View): readonly unknown[] => view[name] as readonly unknown[];
  if (Array.isArray(given) && container !== 'dictionary') {
    const wanted = Array.from(given, (each) => checkOperand(place, property, each));
    return (view) => isSameValue(collected(view).map(storedValueOf), wanted);
  }
  if (container === 'dictionary') {
    if (typeof given !== 'object' || given === null) throw new InvalidArgumentError(place, 'a record', given);
    const wanted = Object.fromEntries(
      Object.entries(given).map(([key, each]) => [key, checkOperand(place, property, each)]),
    );
    return (view) => {
      const entries = Object.entries(view[name] as View).map(([key, each]) => [key, storedValueOf(each)]);
      return isSameValue(Object.fromEntries(entries) as Value, wanted);
    };
  }
  const wanted = checkOperand(place, property, given);
  return (view) => collected(view).some((each) => isSameValue(storedValueOf(each), wanted));
};

const createPropertyPredicate = (place: string, property: Property, given: unknown): ViewPredicate => {
  const { name, container } = property;
  if (isCondition(given)) {
    if (container === 'dictionary' && Object.keys(given).some((key) => operators.includes(key))) {
      throw new InvalidArgumentError(place, 'a whole record: there are no conditions on dictionaries', given);
    }
    if (container === 'dictionary') return createCollectionPredicate(place, property, given);
    const like = createConditionTest(
      place,
      { property, isCollection: container === 'list' || container === 'set' },
      given,
    );
    return (view) => like(view[name]);
  }
  if (container !== 'value' && container !== 'counter') return createCollectionPredicate(place, property, given);
  return createEqualsPredicate(name, checkOperand(place, property, given));
};

const groupOperators: Readonly<Record<string, (all: readonly ViewPredicate[]) => ViewPredicate>> = {
  $and: (all) => (view) => all.every((matches) => matches(view)),
  $or: (all) => (view) => all.some((matches) => matches(view)),
  $nor: (all) => (view) => !all.some((matches) => matches(view)),
};

/** Says whether an object is one of those; or throws an `InvalidArgumentError` for what makes no sense. */
export const createFilterPredicate = (shape: TypeShape, where: unknown, place = 'where'): ViewPredicate => {
  checkPath(place);
  if (!isRecord(where) || !isPlainObject(where)) {
    throw new InvalidArgumentError(place, place === 'where' ? 'a record or a function' : 'a record', where);
  }
  const all = Object.entries(where).map(([name, given]): ViewPredicate => {
    const group = Object.hasOwn(groupOperators, name) ? groupOperators[name] : undefined;
    if (group) {
      if (!Array.isArray(given)) throw new InvalidArgumentError(`${place}.${name}`, 'an array of filters', given);
      return group(
        Array.from(given, (each: unknown, at) => createFilterPredicate(shape, each, `${place}.${name}[${at}]`)),
      );
    }
    const property = shape.properties.get(name);
    if (property) return createPropertyPredicate(`${place}.${name}`, property, given);
    const expected = `properties of ${shape.name}: ${[...shape.properties.keys()].join(', ')}`;
    throw new InvalidArgumentError(place, expected, name);
  });
  return (view) => all.every((matches) => matches(view));
};
