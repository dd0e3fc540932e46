import { isBytes, isPlainObject } from './built-ins.js';
import { describeValue } from './errors.js';
import { limits } from './limits.js';
import { type Value, valueDepthMax } from './value.js';

/** Half a surrogate pair, which has no UTF-8. */
const loneSurrogate = /\p{Surrogate}/u;
const loneSurrogates = /\p{Surrogate}/gu;

/** Replaces each half of a surrogate pair by U+FFFD. */
export const replaceLoneSurrogates = (text: string): string =>
  loneSurrogate.test(text) ? text.replace(loneSurrogates, '\ufffd') : text;

/** A part of a value cannot be stored. */
export class InvalidPartError extends Error {
  override readonly name = 'InvalidPartError';
  constructor(
    /** The part, as in `[0].name`; empty: the whole value. */
    readonly path: string,
    /** The part in one short line. */
    readonly description: string,
  ) {
    super(description);
  }
}

/** Number of further values that are allowed. An array that occurs in several parts counts in each. */
interface Budget {
  left: number;
}

const isIdentifier = (name: string): boolean => /^[A-Za-z_$][\w$]*$/.test(name);
const pathStepOf = (name: string | number): string =>
  typeof name === 'string' && isIdentifier(name) ? `.${name}` : `[${JSON.stringify(name)}]`;

/** Adds the path of a part to an error. Reading the part may run code of the app, which may throw anything. */
const locateError = (name: string | number, thrown: unknown): InvalidPartError =>
  thrown instanceof InvalidPartError
    ? new InvalidPartError(`${pathStepOf(name)}${thrown.path}`, thrown.description)
    : new InvalidPartError(pathStepOf(name), 'a value that cannot be read');

const copyArray = (given: readonly unknown[], depth: number, budget: Budget): Value => {
  const copy: Value[] = [];
  let at = 0;
  try {
    for (; at < given.length; at += 1) {
      if (!(at in given)) throw new InvalidPartError('', 'a hole');
      copy.push(copyOf(given[at], depth, budget));
    }
  } catch (thrown) {
    throw locateError(at, thrown);
  }
  if (Reflect.ownKeys(given).length !== copy.length + 1)
    throw new InvalidPartError('', 'an array with named properties');
  return copy;
};

const copyRecord = (given: object, depth: number, budget: Budget): Value => {
  const names = Object.keys(given);
  if (Reflect.ownKeys(given).length !== names.length)
    throw new InvalidPartError('', 'a record with symbols or hidden names');
  const copy: Record<string, Value> = {};
  for (const each of names) {
    const name = replaceLoneSurrogates(each);
    if (name === '__proto__') throw new InvalidPartError('', 'a record with the name "__proto__"');
    if (Object.hasOwn(copy, name)) throw new InvalidPartError('', `a record with ${describeValue(name)} twice`);
    try {
      copy[name] = copyOf((given as Record<string, unknown>)[each], depth, budget);
    } catch (thrown) {
      throw locateError(each, thrown);
    }
  }
  return copy;
};

const copyOf = (given: unknown, depth: number, budget: Budget): Value => {
  budget.left -= 1;
  if (given === null || typeof given === 'boolean') return given;
  if (typeof given === 'string') return replaceLoneSurrogates(given);
  if (typeof given === 'number' && Number.isFinite(given)) return given + 0; // -0 becomes 0.
  if (typeof given !== 'object') throw new InvalidPartError('', describeValue(given));
  if (isBytes(given)) return Uint8Array.from(given);
  if (depth >= valueDepthMax)
    throw new InvalidPartError('', `more than ${valueDepthMax} arrays or records in each other`);
  if (budget.left < 0) throw new InvalidPartError('', `more than ${limits.valuesMax} values in all`);
  if (Array.isArray(given)) return copyArray(given, depth + 1, budget);
  if (!isPlainObject(given)) throw new InvalidPartError('', describeValue(given));
  return copyRecord(given, depth + 1, budget);
};

/** Returns a copy of a `mixed` value in its stored form, or the reason why it is invalid. Each part is read once. */
export const mixedOf = (given: unknown): Value | InvalidPartError => {
  try {
    return copyOf(given, 0, { left: limits.valuesMax });
  } catch (thrown) {
    return thrown instanceof InvalidPartError ? thrown : new InvalidPartError('', 'a value that cannot be read');
  }
};
