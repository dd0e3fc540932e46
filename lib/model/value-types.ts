import { isBytes, isDate } from './built-ins.js';
import { SchemaError } from './errors.js';
import { limits } from './limits.js';
import { replaceLoneSurrogates, InvalidPartError, mixedOf } from './mixed-value.js';
import { copyValue, isExactValue, type Key, type Value, valueDepthMax } from './value.js';

/** The types that a property value or an element of a collection can have. */
export const valueTypes = ['string', 'int', 'double', 'bool', 'date', 'data', 'uuid', 'mixed'] as const;
export type ValueType = (typeof valueTypes)[number];

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** Half a surrogate pair, which has no UTF-8. */
const loneSurrogate = /\p{Surrogate}/u;
/** The largest time of a `Date` (ECMA-262, 21.4.1.1). */
const timeMax = 8.64e15;

const expectations: Readonly<Record<ValueType, string>> = {
  string: 'a string',
  int: 'a whole number from -(2^53 - 1) to 2^53 - 1',
  double: 'a finite number',
  bool: 'true or false',
  date: 'a valid Date',
  data: 'a Uint8Array',
  uuid: 'a uuid (8-4-4-4-12 hexadecimal digits)',
  mixed: `null, a boolean, a finite number, a string, bytes, or plain arrays and records of them, at most ${valueDepthMax} deep`,
};

/** The values that readers see where no app has written any yet. */
export const zeroValues: Readonly<Record<ValueType, Value>> = {
  string: '',
  int: 0,
  double: 0,
  bool: false,
  date: 0,
  data: new Uint8Array(0),
  uuid: '00000000-0000-0000-0000-000000000000',
  mixed: null,
};

/** The values that are allowed in a property or as elements of a collection. */
export interface Slot {
  readonly kind: ValueType;
  readonly optional: boolean;
  /** The type that the value links to by primary key. `null`: the value is not a link. */
  readonly link: string | null;
}

/** Returns the allowed values in words, as the end of a sentence: "a string or null". */
export const expectationOf = ({ kind, optional, link }: Slot): string => {
  const expected = link === null ? expectations[kind] : `the primary key of a ${link}: ${expectations[kind]}`;
  return optional && kind !== 'mixed' ? `${expected} or null` : expected;
};

/** Whether a stored or received value is of a type, in the one form that is stored. */
export const fits = (kind: ValueType, value: Value): boolean => {
  switch (kind) {
    case 'string':
      return typeof value === 'string';
    case 'int':
      return Number.isSafeInteger(value);
    case 'double':
      return typeof value === 'number' && Number.isFinite(value);
    case 'bool':
      return typeof value === 'boolean';
    case 'date':
      return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) <= timeMax;
    case 'data':
      return isBytes(value);
    case 'uuid':
      return typeof value === 'string' && uuid.test(value);
    case 'mixed':
      return isExactValue(value);
  }
};

/** Whether a stored or received value is allowed in a slot. */
export const fitsSlot = ({ kind, optional }: Slot, value: Value): boolean =>
  value === null ? optional : fits(kind, value);

/** Converts a value of the app to its stored form. The caller checks whether the result fits. */
const normalizeValue = (kind: ValueType, given: unknown): unknown => {
  if (kind === 'mixed') {
    const made = mixedOf(given);
    return made instanceof InvalidPartError ? undefined : made;
  }
  if (kind === 'date') return isDate(given) ? given.getTime() : undefined;
  if (kind === 'data') return isBytes(given) ? Uint8Array.from(given) : undefined;
  if (typeof given === 'number') return given + 0; // -0 becomes 0.
  if (typeof given !== 'string') return given;
  if (kind === 'uuid') return given.toLowerCase();
  return replaceLoneSurrogates(given);
};

/**
 * Returns a value of the app in the form that every replica has: a `Date` as its time, a uuid in lower case, bytes
 * copied, -0 as 0, and U+FFFD for half a surrogate pair, as on the web. `undefined` when the value is not of this type.
 */
export const toStoredValue = (kind: ValueType, given: unknown): Value | undefined => {
  const value = normalizeValue(kind, given) as Value | undefined;
  return value !== undefined && fits(kind, value) ? value : undefined;
};

/** Returns a value of the app in its stored form; `undefined` when the slot does not allow it. */
export const toSlotValue = ({ kind, optional }: Slot, given: unknown): Value | undefined => {
  if (given === null) return optional ? null : undefined;
  return toStoredValue(kind, given);
};

const freezeDeep = (value: Value): Value => {
  if (typeof value !== 'object' || value === null || isBytes(value)) return value;
  Object.values(value).forEach(freezeDeep);
  return Object.freeze(value);
};

/** Returns a stored value as an app gets it: its own `Date`, its own bytes; arrays and records are frozen. */
export const toAppValue = (kind: ValueType, value: Value): unknown => {
  if (value === null) return null;
  if (kind === 'date') return new Date(value as number);
  if (kind === 'data') return Uint8Array.from(value as Uint8Array);
  return kind === 'mixed' ? freezeDeep(copyValue(value)) : value;
};

/**
 * Returns a primary key in its stored form.
 *
 * @throws SchemaError for any other value.
 */
export const checkKey = (
  { name: type, primaryKey: { name, kind } }: { readonly name: string; readonly primaryKey: Slot & { name: string } },
  given: unknown,
): Key => {
  const key = toStoredValue(kind, given);
  if (typeof key === 'number') return key;
  // A text with half a surrogate pair is rejected here, not repaired: two different keys could become the same.
  const isBroken = typeof given === 'string' && loneSurrogate.test(given);
  if (typeof key === 'string' && !isBroken && key.length > 0 && key.length <= limits.keyCharsMax) return key;
  const length = kind === 'string' ? ` of 1 to ${limits.keyCharsMax}${isBroken ? ' whole' : ''} characters` : '';
  const expected = `${expectations[kind]}${length}`;
  throw new SchemaError({ type, property: name, isKey: true, expected, received: given });
};
