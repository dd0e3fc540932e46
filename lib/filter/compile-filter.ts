import { isPlainObject } from '../model/built-ins.js';
import { InvalidArgumentError } from '../model/errors.js';
import type { TypeShape } from '../model/schema.js';
import { isRecord, type Value } from '../model/value.js';
import { canonicalFilterOf } from './canonical-filter.js';
import { createFilterTest } from './filter-test.js';
import { checkOperand, checkPath, isCondition } from './operands.js';
import { findExceededLimit } from './read-filter.js';
import { keyName, type StoredFilter } from './stored-filter.js';

/** A property as filters compare it. */
export interface ComparedProperty {
  /** The name, as stored filters have it. */
  readonly name: string;
  /** The value that an object without the property has for the app. */
  readonly missing: Value;
  /** Returns an operand in its stored form. Throws an `InvalidArgumentError` for a value of another type. */
  readonly toStored: (path: string, given: unknown) => Value;
}

/**
 * Returns the property with a name, for a condition in the filter at a path. Throws an `InvalidArgumentError` if the
 * type has no such property, or if it cannot be compared.
 */
export type FindProperty = (path: string, name: string, given: unknown) => ComparedProperty;

const operators = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$not'];

const toStoredList = (path: string, given: unknown, toStored: ComparedProperty['toStored']): readonly Value[] => {
  if (!Array.isArray(given)) throw new InvalidArgumentError(path, 'an array', given);
  return Array.from(given, (each) => toStored(path, each));
};

const compileOperator = (
  path: string,
  operator: string,
  { name, toStored }: ComparedProperty,
  given: unknown,
): StoredFilter => {
  switch (operator) {
    case '$eq':
      return ['in', name, toStored(path, given)];
    case '$ne':
      return ['not', ['in', name, toStored(path, given)]];
    case '$in':
      return ['in', name, ...toStoredList(path, given, toStored)];
    case '$nin':
      return ['not', ['in', name, ...toStoredList(path, given, toStored)]];
    case '$not':
      if (!isCondition(given)) throw new InvalidArgumentError(path, 'a record of conditions', given);
      return ['not', compileCondition(path, { name, missing: null, toStored }, given)];
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return [operator.slice(1) as 'gt' | 'gte' | 'lt' | 'lte', name, toStored(path, given)];
    default:
      throw new InvalidArgumentError(path, `one of the operators ${operators.join(', ')}`, operator, {
        problem: `${path} cannot be part of a subscription.`,
        advice: `A server compares single values: use ${operators.join(', ')}, and select further with \`objects$\`.`,
      });
  }
};

const compileCondition = (
  path: string,
  property: ComparedProperty,
  given: Readonly<Record<string, unknown>>,
): StoredFilter => {
  checkPath(path);
  return [
    'and',
    ...Object.entries(given).map(([operator, wanted]) =>
      compileOperator(`${path}.${operator}`, operator, property, wanted),
    ),
  ];
};

/**
 * Returns a condition that a server answers as this app does. An object that does not have a property shows the value
 * from the schema here, and null there.
 */
const addMissingValue = (condition: StoredFilter, property: string, missing: Value): StoredFilter => {
  if (missing === null) return condition;
  const test = createFilterTest(condition);
  const isMatching = test(() => missing);
  if (test(() => null) === isMatching) return condition;
  const isMissing: StoredFilter = ['in', property, null];
  return isMatching ? ['or', condition, isMissing] : ['and', condition, ['not', isMissing]];
};

const compileProperty = (path: string, property: ComparedProperty, given: unknown): StoredFilter => {
  const condition = isCondition(given)
    ? compileCondition(path, property, given)
    : (['in', property.name, property.toStored(path, given)] as const);
  return addMissingValue(condition, property.name, property.missing);
};

const compileAll = (find: FindProperty, where: unknown, path: string): StoredFilter => {
  checkPath(path);
  if (!isRecord(where) || !isPlainObject(where)) {
    const isFunction = typeof where === 'function';
    throw new InvalidArgumentError(path, 'a record', where, {
      problem: isFunction ? `${path} is a function, which cannot be sent to a server.` : undefined,
      advice: isFunction ? 'Write the conditions as a record.' : undefined,
    });
  }
  const all = Object.entries(where).map(([name, given]): StoredFilter => {
    const at = `${path}.${name}`;
    if (name === '$and' || name === '$or' || name === '$nor') {
      if (!Array.isArray(given)) throw new InvalidArgumentError(at, 'an array of filters', given);
      const parts = Array.from(given, (each: unknown, index) => compileAll(find, each, `${at}[${index}]`));
      return name === '$nor' ? ['not', ['or', ...parts]] : [name === '$or' ? 'or' : 'and', ...parts];
    }
    return compileProperty(at, find(path, name, given), given);
  });
  return ['and', ...all];
};

/** Compiles a filter to its canonical stored form, by the properties that `find` returns. Otherwise `compileFilter`. */
export const compileWith = (find: FindProperty, where: unknown, path: string): StoredFilter => {
  const canonical = canonicalFilterOf(compileAll(find, where, path));
  const exceeded = findExceededLimit(canonical);
  if (exceeded !== null) throw new InvalidArgumentError(path, `a filter with ${exceeded}`, where);
  return canonical;
};

const findIn =
  ({ name: type, primaryKey, properties, missing }: TypeShape): FindProperty =>
  (path, name, given) => {
    const property = properties.get(name);
    if (property === undefined) {
      const expected = `a record of properties of ${type} (${[...properties.keys()].join(', ')})`;
      throw new InvalidArgumentError(path, expected, name);
    }
    const { container, kind } = property;
    if (container !== 'value' || kind === 'mixed') {
      const at = `${path}.${name}`;
      throw new InvalidArgumentError(at, 'left out', given, {
        problem: `${at} is a ${container === 'value' ? kind : container}, and a subscription cannot select by it.`,
        advice: 'Select by a property with a single value, and further with `objects$`.',
      });
    }
    const isKey = property === primaryKey;
    return {
      name: isKey ? keyName : name,
      missing: isKey ? null : (missing.get(name) ?? null),
      toStored: (at, operand) => checkOperand(at, property, operand),
    };
  };

/**
 * Compiles the filter of an app to its canonical stored form, against the schema. The result matches the same objects
 * as a query with this filter.
 *
 * @throws InvalidArgumentError for an invalid filter, one over a limit, and one that a server cannot evaluate.
 */
export const compileFilter = (shape: TypeShape, where: unknown, path = 'where'): StoredFilter =>
  compileWith(findIn(shape), where, path);
