import { isBytes, isPlainObject } from './built-ins.js';

/**
 * A value as it is merged, stored and sent. A `date` is its milliseconds since the epoch, a `uuid` its lower-case text,
 * and a link the primary key of its target. Arrays and records occur in `mixed` properties only.
 */
export type Value = null | boolean | number | string | Uint8Array | readonly Value[] | ValueRecord;

/** A record of values. */
export interface ValueRecord {
  readonly [name: string]: Value;
}

/** A primary key. */
export type Key = string | number;

/** The property values of one object, by name. */
export type Values = Readonly<Record<string, Value>>;

/**
 * Largest depth of nested arrays and records: far more than apps use, and safe for the stack and for readers of the
 * wire.
 */
export const valueDepthMax = 32;

export const isRecord = (given: unknown): given is Readonly<Record<string, unknown>> =>
  typeof given === 'object' && given !== null && !Array.isArray(given) && !isBytes(given);

export const isValue = (value: unknown, depth = 0): value is Value => {
  if (value === null || isBytes(value)) return true;
  if (typeof value !== 'object') return isSimple(value);
  if (depth >= valueDepthMax) return false;
  if (Array.isArray(value)) return value.every((each) => isValue(each, depth + 1));
  return isPlainObject(value) && areValues(value as Readonly<Record<string, unknown>>, depth + 1);
};

const areValues = (record: Readonly<Record<string, unknown>>, depth: number): boolean => {
  for (const name in record) if (name === '__proto__' || !isValue(record[name], depth)) return false;
  return true;
};

const isSimple = (value: unknown): boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/** Whether all numbers in a value are finite. */
export const isExactValue = (value: Value): boolean => {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null || isBytes(value)) return true;
  if (isArray(value)) return value.every(isExactValue);
  for (const name in value) if (!isExactValue(value[name] ?? null)) return false;
  return true;
};

/** Returns a copy that shares no bytes with the original, which may be a view of a frame or belong to the app. */
export const copyValue = (value: Value): Value => {
  if (typeof value !== 'object' || value === null) return value;
  if (isBytes(value)) return Uint8Array.from(value);
  if (isArray(value)) return value.map(copyValue);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, copyValue(each)]));
};

/** Copies the bytes in an array or record in place, as `detachValue` does. */
const detachParts = (held: unknown[] | Record<string, unknown>, depth: number): boolean => {
  if (depth >= valueDepthMax) return false;
  if (Array.isArray(held)) {
    for (let at = 0; at < held.length; at += 1) {
      const value = detachValue(held[at], depth + 1);
      if (value === undefined) return false;
      held[at] = value;
    }
    return true;
  }
  for (const name in held) {
    const value = name === '__proto__' ? undefined : detachValue(held[name], depth + 1);
    if (value === undefined) return false;
    held[name] = value;
  }
  return true;
};

/**
 * Detaches a value from the frame from which it was decoded: the bytes in it are copied, arrays and records are changed
 * in place. `undefined` when it is not a value.
 */
export const detachValue = (given: unknown, depth = 0): Value | undefined => {
  if (given === null) return null;
  if (typeof given !== 'object') return isSimple(given) ? (given as Value) : undefined;
  if (isBytes(given)) return Uint8Array.from(given);
  return detachParts(given as Record<string, unknown>, depth) ? (given as Value) : undefined;
};

/** Whether a value contains bytes. */
export const hasBytes = (value: Value): boolean =>
  typeof value === 'object' && value !== null && (isBytes(value) || Object.values(value).some(hasBytes));

/** Like `Array.isArray`, but keeps the type of read-only arrays. */
const isArray = (value: Value): value is readonly Value[] => Array.isArray(value);

/** A loop over a fixed length, because whole blocks of objects are compared, and `every` takes four times as long. */
const isSameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  const { length } = a;
  if (length !== b.length) return false;
  for (let at = 0; at < length; at += 1) if (a[at] !== b[at]) return false;
  return true;
};

/** Whether two values are equal: bytes one by one, records regardless of the order of their names. */
export const isSameValue = (a: Value | undefined, b: Value | undefined): boolean => {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (isBytes(a) || isBytes(b)) {
    if (!(isBytes(a) && isBytes(b))) return false;
    return isSameBytes(a, b);
  }
  if (isArray(a) || isArray(b)) {
    if (!(isArray(a) && isArray(b))) return false;
    return a.length === b.length && a.every((each, at) => isSameValue(each, b[at]));
  }
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && isSameValue(a[name], b[name]))
  );
};

const ranks = ['boolean', 'number', 'string', 'object'];
const rankOf = (value: Value): number => (value === null ? -1 : ranks.indexOf(typeof value));

const compareBytes = (a: Uint8Array, b: Uint8Array): number => {
  const at = a.findIndex((byte, index) => byte !== b[index]);
  return at === -1 || at >= b.byteLength ? a.byteLength - b.byteLength : (a[at] ?? 0) - (b[at] ?? 0);
};

/**
 * Compares two values: null, then booleans, numbers, strings by code units, bytes one by one. Arrays and records are
 * compared as texts.
 */
export const compareValues = (a: Value, b: Value): number => {
  if (a === b) return 0;
  if (rankOf(a) !== rankOf(b)) return rankOf(a) - rankOf(b);
  if (isBytes(a) && isBytes(b)) return compareBytes(a, b);
  if (typeof a === 'object' && typeof b === 'object') return textOf(a) < textOf(b) ? -1 : textOf(a) > textOf(b) ? 1 : 0;
  return (a as string) < (b as string) ? -1 : 1;
};

/** Returns a text that is the same for equal values only. */
export const textOf = (value: Value): string => {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isBytes(value)) return `#${[...value].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  if (isArray(value)) return `[${value.map(textOf).join(',')}]`;
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${textOf(value[name] ?? null)}`).join(',')}}`;
};
