import { checkOperand, checkOperands, checkPath, isCondition } from '../../filter/operands.js';
import { isBytes, isDate, isRegExp } from '../../model/built-ins.js';
import { InvalidArgumentError } from '../../model/errors.js';
import type { Property } from '../../model/schema.js';
import { compareValues, isSameValue, type Value } from '../../model/value.js';

/** Tests one value, or a whole list or set. */
type Test = (given: unknown) => boolean;

/** Converts a value of a view to its stored form: a `Date` becomes its time. */
export const storedValueOf = (shown: unknown): Value => (isDate(shown) ? shown.getTime() : (shown as Value));

const createEqualsTest =
  (wanted: Value): Test =>
  (given) =>
    isSameValue(storedValueOf(given ?? null), wanted);

const classOf = (value: Value): string =>
  value === null ? 'null' : isBytes(value) ? 'bytes' : Array.isArray(value) ? 'array' : typeof value;

/** Compares only values of the same class as the operand, in the order of `sort`. */
const createOrderTest =
  (accepts: (order: number) => boolean) =>
  (bound: Value): Test =>
  (given) => {
    const value = storedValueOf(given ?? null);
    return classOf(value) === classOf(bound) && accepts(compareValues(value, bound));
  };

const orderTests: Readonly<Record<string, (bound: Value) => Test>> = {
  $eq: createEqualsTest,
  $gt: createOrderTest((order) => order > 0),
  $gte: createOrderTest((order) => order >= 0),
  $lt: createOrderTest((order) => order < 0),
  $lte: createOrderTest((order) => order <= 0),
};

export const operators = [
  ...['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$all'],
  ...['$regex', '$not', '$size', '$elemMatch'],
];

const negate =
  (test: Test): Test =>
  (given) =>
    !test(given);

/** Starts each test at the beginning of the text, whatever the last match of the expression was. */
const createRegExpTest = ({ source, flags }: RegExp): Test => {
  const expression = new RegExp(source, flags.replace('g', ''));
  return (given) => {
    expression.lastIndex = 0;
    return typeof given === 'string' && expression.test(given);
  };
};

/**
 * The value that operators test: a property, or the elements of a list or set. An array in a `mixed` property is one
 * value.
 */
interface ConditionTarget {
  readonly property: Property;
  readonly isCollection: boolean;
}

const createNestedTest = (path: string, target: ConditionTarget, given: unknown): Test => {
  if (!isCondition(given)) throw new InvalidArgumentError(path, 'a record of conditions', given);
  return createConditionTest(path, target, given);
};

const createOperatorTest = (path: string, operator: string, target: ConditionTarget, wanted: unknown): Test => {
  const { property, isCollection } = target;
  const at = `${path}.${operator}`;
  const one = (test: Test): Test => (isCollection ? (all) => (all as readonly unknown[]).some(test) : test);
  const order = Object.hasOwn(orderTests, operator) ? orderTests[operator] : undefined;
  if (order) return one(order(checkOperand(at, property, wanted)));
  const oneOf = (): Test => {
    const tests = checkOperands(at, property, wanted).map(createEqualsTest);
    return one((given) => tests.some((test) => test(given)));
  };
  switch (operator) {
    case '$ne':
      return negate(one(createEqualsTest(checkOperand(at, property, wanted))));
    case '$in':
      return oneOf();
    case '$nin':
      return negate(oneOf());
    case '$all': {
      const tests = checkOperands(at, property, wanted).map((each) => one(createEqualsTest(each)));
      return (given) => tests.every((test) => test(given));
    }
    case '$not':
      return negate(createNestedTest(at, target, wanted));
    case '$elemMatch': {
      const test = createNestedTest(at, { property, isCollection: false }, wanted);
      return (given) => Array.isArray(given) && given.some(test);
    }
    case '$regex':
      if (!isRegExp(wanted)) throw new InvalidArgumentError(at, 'a RegExp', wanted);
      return one(createRegExpTest(wanted));
    case '$size':
      if (!Number.isSafeInteger(wanted)) throw new InvalidArgumentError(at, 'a whole number', wanted);
      return (given) => Array.isArray(given) && given.length === wanted;
    default:
      throw new InvalidArgumentError(path, `a record of operators (${operators.join(', ')})`, operator);
  }
};

/**
 * Creates a test that requires all operators of a condition. Throws an `InvalidArgumentError` for an invalid condition.
 */
export const createConditionTest = (
  path: string,
  target: ConditionTarget,
  given: Readonly<Record<string, unknown>>,
): Test => {
  checkPath(path);
  const tests = Object.entries(given).map(([operator, wanted]) => createOperatorTest(path, operator, target, wanted));
  return (value) => tests.every((test) => test(value));
};
