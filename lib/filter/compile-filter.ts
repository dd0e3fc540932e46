import { isPlainObject } from '../model/built-ins.js';
import { InvalidArgumentError } from '../model/errors.js';
import type { Property, TypeShape } from '../model/schema.js';
import { isRecord, type Value } from '../model/value.js';
import { canonicalFilterOf } from './canonical-filter.js';
import { createFilterTest } from './filter-test.js';
import { checkOperand, checkOperands, checkPath, isCondition } from './operands.js';
import { findExceededLimit } from './read-filter.js';
import { keyName, type StoredFilter } from './stored-filter.js';

const operators = ['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$not'];

const compileOperator = (path: string, operator: string, property: Property, given: unknown): StoredFilter => {
  const name = property.name;
  switch (operator) {
    case '$eq':
      return ['in', name, checkOperand(path, property, given)];
    case '$ne':
      return ['not', ['in', name, checkOperand(path, property, given)]];
    case '$in':
      return ['in', name, ...checkOperands(path, property, given)];
    case '$nin':
      return ['not', ['in', name, ...checkOperands(path, property, given)]];
    case '$not':
      if (!isCondition(given)) throw new InvalidArgumentError(path, 'a record of conditions', given);
      return ['not', compileCondition(path, property, given)];
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return [operator.slice(1) as 'gt' | 'gte' | 'lt' | 'lte', name, checkOperand(path, property, given)];
    default:
      throw new InvalidArgumentError(path, `one of the operators ${operators.join(', ')}`, operator, {
        problem: `${path} cannot be part of a subscription.`,
        advice: `A server compares single values: use ${operators.join(', ')}, and select further with \`objects$\`.`,
      });
  }
};

const compileCondition = (path: string, property: Property, given: Readonly<Record<string, unknown>>): StoredFilter => {
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

const compileProperty = (path: string, shape: TypeShape, property: Property, given: unknown): StoredFilter => {
  const { container, kind } = property;
  if (container !== 'value' || kind === 'mixed') {
    throw new InvalidArgumentError(path, 'left out', given, {
      problem: `${path} is a ${container === 'value' ? kind : container}, and a subscription cannot select by it.`,
      advice: 'Select by a property with a single value, and further with `objects$`.',
    });
  }
  const isKey = property === shape.primaryKey;
  const stored = isKey ? { ...property, name: keyName } : property;
  const condition = isCondition(given)
    ? compileCondition(path, stored, given)
    : (['in', stored.name, checkOperand(path, property, given)] as const);
  return isKey ? condition : addMissingValue(condition, property.name, shape.missing.get(property.name) ?? null);
};

const compileAll = (shape: TypeShape, where: unknown, path: string): StoredFilter => {
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
      const parts = Array.from(given, (each: unknown, index) => compileAll(shape, each, `${at}[${index}]`));
      return name === '$nor' ? ['not', ['or', ...parts]] : [name === '$or' ? 'or' : 'and', ...parts];
    }
    const property = shape.properties.get(name);
    if (property) return compileProperty(at, shape, property, given);
    const expected = `a record of properties of ${shape.name} (${[...shape.properties.keys()].join(', ')})`;
    throw new InvalidArgumentError(path, expected, name);
  });
  return ['and', ...all];
};

/**
 * Compiles the filter of an app to its canonical stored form, against the schema. The result matches the same objects
 * as a query with this filter.
 *
 * @throws InvalidArgumentError for an invalid filter, one over a limit, and one that a server cannot evaluate.
 */
export const compileFilter = (shape: TypeShape, where: unknown, path = 'where'): StoredFilter => {
  const canonical = canonicalFilterOf(compileAll(shape, where, path));
  const exceeded = findExceededLimit(canonical);
  if (exceeded !== null) throw new InvalidArgumentError(path, `a filter with ${exceeded}`, where);
  return canonical;
};
