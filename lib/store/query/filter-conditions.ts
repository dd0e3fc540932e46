import { isBytes, isDate, isRegExp } from '../../model/built-ins.js';
import { InvalidArgumentError } from '../../model/errors.js';
import { expectationOf, toStoredValue } from '../../model/value-types.js';
import type { Property } from '../../model/schema.js';
import { compareValues, isPlainObject, isRecord, isSameValue, type Value } from '../../model/value.js';

/** Whether one value, or a whole list or set, is like a condition. */
type Test = (given: unknown) => boolean;

/** A value of a view as it is stored: a `Date` as its time. */
export const storedValueOf = (shown: unknown): Value => (isDate(shown) ? shown.getTime() : (shown as Value));

/** A value to compare with, in the form in which it is stored, or an error. */
export const checkOperand = (place: string, property: Property, given: unknown): Value => {
  if (given === null) return null;
  const value = toStoredValue(property.kind, given);
  if (value === undefined) throw new InvalidArgumentError(place, expectationOf(property), given);
  return value;
};

const checkOperands = (place: string, property: Property, given: unknown): readonly Value[] => {
  if (!Array.isArray(given)) throw new InvalidArgumentError(place, 'an array', given);
  return Array.from(given, (each) => checkOperand(place, property, each));
};

const createEqualsTest =
  (wanted: Value): Test =>
  (given) =>
    isSameValue(storedValueOf(given ?? null), wanted);

const classOf = (value: Value): string =>
  value === null ? 'null' : isBytes(value) ? 'bytes' : Array.isArray(value) ? 'array' : typeof value;

/** Compares with values of its operand's own kind only, in the order that `sort` has. */
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

export const isCondition = (given: unknown): given is Readonly<Record<string, unknown>> =>
  isRecord(given) &&
  isPlainObject(given) &&
  Object.keys(given).length > 0 &&
  Object.keys(given).every((name) => name.startsWith('$'));

/** How long the path to a condition may be: nobody writes one that is longer, but for what is in itself. */
const pathCharsMax = 1_000;

export const checkPath = (place: string): void => {
  if (place.length > pathCharsMax)
    throw new InvalidArgumentError('where', `conditions whose paths have up to ${pathCharsMax} characters`, place);
};

const negate =
  (test: Test): Test =>
  (given) =>
    !test(given);

/** From the start of each text, whatever was found in the one before. */
const createRegExpTest = ({ source, flags }: RegExp): Test => {
  const own = new RegExp(source, flags.replace('g', ''));
  return (given) => {
    own.lastIndex = 0;
    return typeof given === 'string' && own.test(given);
  };
};

/**
 * What operators are about: the value of a property, or the elements of a list or set. An array that is one value is no
 * list.
 */
interface ConditionTarget {
  readonly property: Property;
  readonly isCollection: boolean;
}

const createNestedTest = (place: string, subject: ConditionTarget, given: unknown): Test => {
  if (!isCondition(given)) throw new InvalidArgumentError(place, 'a record of conditions', given);
  return createConditionTest(place, subject, given);
};

const createOperatorTest = (place: string, operator: string, subject: ConditionTarget, wanted: unknown): Test => {
  const { property, isCollection } = subject;
  const at = `${place}.${operator}`;
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
      return negate(createNestedTest(at, subject, wanted));
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
      throw new InvalidArgumentError(place, `conditions: ${operators.join(', ')}`, operator);
  }
};

/**
 * Whether something is like a condition, of which all that is said has to hold; or throws an `InvalidArgumentError` for
 * what makes no sense.
 */
export const createConditionTest = (
  place: string,
  subject: ConditionTarget,
  given: Readonly<Record<string, unknown>>,
): Test => {
  checkPath(place);
  const tests = Object.entries(given).map(([operator, wanted]) => createOperatorTest(place, operator, subject, wanted));
  return (value) => tests.every((test) => test(value));
};
