import { isPlainObject } from '../model/built-ins.js';
import { InvalidArgumentError } from '../model/errors.js';
import type { Property } from '../model/schema.js';
import { isRecord, type Value } from '../model/value.js';
import { expectationOf, toStoredValue } from '../model/value-types.js';

/** Whether an operand is a record of operators, such as `{ $gt: 3 }`. */
export const isCondition = (given: unknown): given is Readonly<Record<string, unknown>> =>
  isRecord(given) &&
  isPlainObject(given) &&
  Object.keys(given).length > 0 &&
  Object.keys(given).every((name) => name.startsWith('$'));

/** Maximum length of the path to a condition. Only a filter that contains itself exceeds it. */
const pathCharsMax = 1_000;

/** Throws an `InvalidArgumentError` for the path of a filter that contains itself. */
export const checkPath = (path: string): void => {
  if (path.length > pathCharsMax)
    throw new InvalidArgumentError('where', `a filter with paths of at most ${pathCharsMax} characters`, path);
};

/** Converts an operand to its stored form. Throws an `InvalidArgumentError` for a value of another type. */
export const checkOperand = (path: string, property: Property, given: unknown): Value => {
  if (given === null) return null;
  const value = toStoredValue(property.kind, given);
  if (value === undefined) throw new InvalidArgumentError(path, expectationOf(property), given);
  return value;
};

/** Converts an array of operands to their stored form. Throws an `InvalidArgumentError` for any other operand. */
export const checkOperands = (path: string, property: Property, given: unknown): readonly Value[] => {
  if (!Array.isArray(given)) throw new InvalidArgumentError(path, 'an array', given);
  return Array.from(given, (each) => checkOperand(path, property, each));
};
