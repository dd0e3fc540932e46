import { isBytes, isDate, isRegExp } from '../model/built-ins.js';
import { InvalidArgumentError } from '../model/errors.js';
import { expectationOf, stored } from '../model/kinds.js';
import type { Property } from '../model/schema.js';
import { compareValues, isPlain, isRecord, sameValue, type Value } from '../model/value.js';

/** Whether one value, or a whole list or set, is like a condition. */
type Test = (given: unknown) => boolean;

/** A value of a view as it is stored: a `Date` as its time. */
export const storedForm = (shown: unknown): Value => (isDate(shown) ? shown.getTime() : (shown as Value));

/** A value to compare with, in the form in which it is stored, or an error. */
export const operand = (place: string, property: Property, given: unknown): Value => {
  if (given === null) return null;
  const value = stored(property.kind, given);
  if (value === undefined) throw new InvalidArgumentError(place, expectationOf(property), given);
  return value;
};

const many = (place: string, property: Property, given: unknown): readonly Value[] => {
  if (!Array.isArray(given)) throw new InvalidArgumentError(place, 'an array', given);
  return Array.from(given, (each) => operand(place, property, each));
};

const sameAs =
  (wanted: Value): Test =>
  (given) =>
    sameValue(storedForm(given ?? null), wanted);

const classOf = (value: Value): string =>
  value === null ? 'null' : isBytes(value) ? 'bytes' : Array.isArray(value) ? 'array' : typeof value;

/** Compares with values of its operand's own kind only, in the order that `sort` has. */
const ordered =
  (accepts: (order: number) => boolean) =>
  (bound: Value): Test =>
  (given) => {
    const value = storedForm(given ?? null);
    return classOf(value) === classOf(bound) && accepts(compareValues(value, bound));
  };

const orders: Readonly<Record<string, (bound: Value) => Test>> = {
  $eq: sameAs,
  $gt: ordered((order) => order > 0),
  $gte: ordered((order) => order >= 0),
  $lt: ordered((order) => order < 0),
  $lte: ordered((order) => order <= 0),
};

export const operators = [
  ...['$eq', '$ne', '$gt', '$gte', '$lt', '$lte', '$in', '$nin', '$all'],
  ...['$regex', '$not', '$size', '$elemMatch'],
];

export const isCondition = (given: unknown): given is Readonly<Record<string, unknown>> =>
  isRecord(given) &&
  isPlain(given) &&
  Object.keys(given).length > 0 &&
  Object.keys(given).every((name) => name.startsWith('$'));

/** How long the path to a condition may be: nobody writes one that is longer, but for what is in itself. */
const placeCharsMax = 1_000;

export const checkPlace = (place: string): void => {
  if (place.length > placeCharsMax)
    throw new InvalidArgumentError('where', `conditions whose paths have up to ${placeCharsMax} characters`, place);
};

const not =
  (test: Test): Test =>
  (given) =>
    !test(given);

/** From the start of each text, whatever was found in the one before. */
const matching = ({ source, flags }: RegExp): Test => {
  const own = new RegExp(source, flags.replace('g', ''));
  return (given) => {
    own.lastIndex = 0;
    return typeof given === 'string' && own.test(given);
  };
};

/** What operators are about: the value of a property, or the elements of a list or set. An array that is one value is no list. */
interface Subject {
  readonly property: Property;
  readonly isMany: boolean;
}

const nested = (place: string, subject: Subject, given: unknown): Test => {
  if (!isCondition(given)) throw new InvalidArgumentError(place, 'a record of conditions', given);
  return conditionOn(place, subject, given);
};

const testOf = (place: string, operator: string, subject: Subject, wanted: unknown): Test => {
  const { property, isMany } = subject;
  const at = `${place}.${operator}`;
  const one = (test: Test): Test => (isMany ? (all) => (all as readonly unknown[]).some(test) : test);
  const order = Object.hasOwn(orders, operator) ? orders[operator] : undefined;
  if (order) return one(order(operand(at, property, wanted)));
  const oneOf = (): Test => {
    const tests = many(at, property, wanted).map(sameAs);
    return one((given) => tests.some((test) => test(given)));
  };
  switch (operator) {
    case '$ne':
      return not(one(sameAs(operand(at, property, wanted))));
    case '$in':
      return oneOf();
    case '$nin':
      return not(oneOf());
    case '$all': {
      const tests = many(at, property, wanted).map((each) => one(sameAs(each)));
      return (given) => tests.every((test) => test(given));
    }
    case '$not':
      return not(nested(at, subject, wanted));
    case '$elemMatch': {
      const test = nested(at, { property, isMany: false }, wanted);
      return (given) => Array.isArray(given) && given.some(test);
    }
    case '$regex':
      if (!isRegExp(wanted)) throw new InvalidArgumentError(at, 'a RegExp', wanted);
      return one(matching(wanted));
    case '$size':
      if (!Number.isSafeInteger(wanted)) throw new InvalidArgumentError(at, 'a whole number', wanted);
      return (given) => Array.isArray(given) && given.length === wanted;
    default:
      throw new InvalidArgumentError(place, `conditions: ${operators.join(', ')}`, operator);
  }
};

/** Whether something is like a condition, of which all that is said has to hold; or throws an `InvalidArgumentError` for what makes no sense. */
export const conditionOn = (place: string, subject: Subject, given: Readonly<Record<string, unknown>>): Test => {
  checkPlace(place);
  const tests = Object.entries(given).map(([operator, wanted]) => testOf(place, operator, subject, wanted));
  return (value) => tests.every((test) => test(value));
};
