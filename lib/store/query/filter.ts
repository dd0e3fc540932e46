import { checkOperand, checkPath, isCondition } from '../../filter/operands.js';
import { isPlainObject } from '../../model/built-ins.js';
import { InvalidArgumentError } from '../../model/errors.js';
import type { Property, Schema, TypeShape } from '../../model/schema.js';
import type { ObjectOf, TypeName } from '../../model/schema-types.js';
import { isRecord, isSameValue, type Value } from '../../model/value.js';
import { createConditionTest, operators, storedValueOf } from './filter-conditions.js';
import type { View } from '../objects/object-view.js';

/**
 * A condition on one value, in MongoDB's filter language. All operators must match. On a list or a set, an operator
 * matches when at least one element matches; `$ne` and `$nin` match when no element is equal.
 *
 * @example
 * ```ts
 * realm.objects$('Task', { where: { votes: { $gte: 3, $ne: 5 } } });
 * ```
 */
export interface Condition<V> {
  /** Matches values that are equal to this one. */
  readonly $eq?: V;
  /** Matches values that are not equal to this one. */
  readonly $ne?: V;
  /** Matches greater values of the same kind. `null` is never greater or less. */
  readonly $gt?: V;
  /** Matches greater and equal values of the same kind. */
  readonly $gte?: V;
  /** Matches smaller values of the same kind. */
  readonly $lt?: V;
  /** Matches smaller and equal values of the same kind. */
  readonly $lte?: V;
  /** Matches values that are equal to one of these. */
  readonly $in?: readonly V[];
  /** Matches values that are equal to none of these. */
  readonly $nin?: readonly V[];
  /** Matches strings in which the expression finds a match. */
  readonly $regex?: RegExp;
  /** Matches values that do not match this condition. */
  readonly $not?: Condition<V>;
}

/**
 * A condition on a list or a set. All operators must match.
 *
 * @example
 * ```ts
 * realm.objects$('Task', { where: { tags: { $all: ['home', 'urgent'] } } });
 * ```
 */
export interface CollectionCondition<E> {
  /** The collection contains all of these values. */
  readonly $all?: readonly E[];
  /** The collection has this number of elements. */
  readonly $size?: number;
  /** At least one element matches the condition. */
  readonly $elemMatch?: Condition<E>;
}

type ConditionOn<V> = V extends readonly (infer E)[] ? V | E | CollectionCondition<E> | Condition<E> : V | Condition<V>;

/**
 * Selects objects: each named property must equal a value or match a condition. A list or a set also matches a single
 * value that it contains. A dictionary matches only a whole record. `$and`, `$or` and `$nor` combine filters.
 *
 * @example
 * ```ts
 * realm.objects$('Task', { where: { done: false, $or: [{ votes: { $gt: 3 } }, { tags: 'urgent' }] } });
 * ```
 */
export type Filter<O> = {
  readonly [K in keyof O]?: ConditionOn<O[K]>;
} & {
  /** All of these filters match. */
  readonly $and?: readonly Filter<O>[];
  /** At least one of these filters matches. */
  readonly $or?: readonly Filter<O>[];
  /** None of these filters matches. */
  readonly $nor?: readonly Filter<O>[];
};

/**
 * A `Filter` for objects of a schema, or a predicate. The predicate must be pure and fast: it is called again for each
 * changed object.
 *
 * @example
 * ```ts
 * const where: Where<typeof schema, 'Task'> = ({ title }) => title.startsWith('Buy');
 * ```
 */
export type Where<S extends Schema, T extends TypeName<S>> =
  Filter<ObjectOf<S, T>> | ((object: ObjectOf<S, T>) => boolean);

type ViewPredicate = (view: View) => boolean;

const createEqualsPredicate =
  (name: string, wanted: Value): ViewPredicate =>
  (view) =>
    isSameValue(storedValueOf(view[name]), wanted);

/** Matches a whole collection, or one element of a list or set. */
const createCollectionPredicate = (path: string, property: Property, given: unknown): ViewPredicate => {
  const { name, container } = property;
  const elementsOf = (view: View): readonly unknown[] => view[name] as readonly unknown[];
  if (Array.isArray(given) && container !== 'dictionary') {
    const wanted = Array.from(given, (each) => checkOperand(path, property, each));
    return (view) => isSameValue(elementsOf(view).map(storedValueOf), wanted);
  }
  if (container === 'dictionary') {
    if (typeof given !== 'object' || given === null) throw new InvalidArgumentError(path, 'a record', given);
    const wanted = Object.fromEntries(
      Object.entries(given).map(([key, each]) => [key, checkOperand(path, property, each)]),
    );
    return (view) => {
      const entries = Object.entries(view[name] as View).map(([key, each]) => [key, storedValueOf(each)]);
      return isSameValue(Object.fromEntries(entries) as Value, wanted);
    };
  }
  const wanted = checkOperand(path, property, given);
  return (view) => elementsOf(view).some((each) => isSameValue(storedValueOf(each), wanted));
};

const createPropertyPredicate = (path: string, property: Property, given: unknown): ViewPredicate => {
  const { name, container } = property;
  if (isCondition(given)) {
    if (container === 'dictionary' && Object.keys(given).some((key) => operators.includes(key))) {
      throw new InvalidArgumentError(path, 'a whole record, because dictionaries have no conditions', given);
    }
    if (container === 'dictionary') return createCollectionPredicate(path, property, given);
    const test = createConditionTest(
      path,
      { property, isCollection: container === 'list' || container === 'set' },
      given,
    );
    return (view) => test(view[name]);
  }
  if (container !== 'value' && container !== 'counter') return createCollectionPredicate(path, property, given);
  return createEqualsPredicate(name, checkOperand(path, property, given));
};

const groupOperators: Readonly<Record<string, (all: readonly ViewPredicate[]) => ViewPredicate>> = {
  $and: (all) => (view) => all.every((matches) => matches(view)),
  $or: (all) => (view) => all.some((matches) => matches(view)),
  $nor: (all) => (view) => !all.some((matches) => matches(view)),
};

/** Creates a predicate from a filter. Throws an `InvalidArgumentError` for an invalid filter. */
export const createFilterPredicate = (shape: TypeShape, where: unknown, path = 'where'): ViewPredicate => {
  checkPath(path);
  if (!isRecord(where) || !isPlainObject(where)) {
    throw new InvalidArgumentError(path, path === 'where' ? 'a record or a function' : 'a record', where);
  }
  const all = Object.entries(where).map(([name, given]): ViewPredicate => {
    const group = Object.hasOwn(groupOperators, name) ? groupOperators[name] : undefined;
    if (group) {
      if (!Array.isArray(given)) throw new InvalidArgumentError(`${path}.${name}`, 'an array of filters', given);
      return group(
        Array.from(given, (each: unknown, at) => createFilterPredicate(shape, each, `${path}.${name}[${at}]`)),
      );
    }
    const property = shape.properties.get(name);
    if (property) return createPropertyPredicate(`${path}.${name}`, property, given);
    const expected = `a record of properties of ${shape.name} (${[...shape.properties.keys()].join(', ')})`;
    throw new InvalidArgumentError(path, expected, name);
  });
  return (view) => all.every((matches) => matches(view));
};
