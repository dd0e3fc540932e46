import { isBytes, isDate } from '../../model/built-ins.js';
import type { ValueType } from '../../model/value-types.js';
import { left, right, type Either } from '../../model/result.js';
import { isRecord, valueDepthMax } from '../../model/value.js';

/*
 * Values as JSON. Dates are ISO texts and bytes are base64; the type of the property distinguishes them. A `mixed`
 * property has no such type, so its bytes are `{"$bytes": "…"}`, and a record whose only name begins with `$` is
 * `{"$record": {…}}`: no record can be mistaken for bytes.
 */

/** Maximum number of characters per call: an argument list has a limit. */
const charsMax = 8_192;

const base64Of = (bytes: Uint8Array): string => {
  let text = '';
  for (let at = 0; at < bytes.byteLength; at += charsMax) {
    text += String.fromCharCode(...bytes.subarray(at, at + charsMax));
  }
  return btoa(text);
};

const decodeBase64 = (given: unknown): Uint8Array | undefined => {
  if (typeof given !== 'string') return undefined;
  try {
    return Uint8Array.from(atob(given), (char) => char.charCodeAt(0));
  } catch {
    return undefined; // Not valid base64.
  }
};

const parseDate = (given: unknown): Date | undefined => {
  if (typeof given !== 'string') return undefined;
  const date = new Date(given);
  if (Number.isNaN(date.getTime())) return undefined;
  // `Date` parses many other forms, some of them ambiguously.
  const exact = date.toISOString();
  return exact === given || exact === given.replace(/Z$/, '.000Z') ? date : undefined;
};

const hasTagName = (names: readonly string[]): boolean => names.length === 1 && names[0]?.startsWith('$') === true;

/** Converts a value of a `mixed` property to JSON. */
export const toTaggedJson = (value: unknown): unknown => {
  if (isBytes(value)) return { $bytes: base64Of(value) };
  if (Array.isArray(value)) return value.map(toTaggedJson);
  if (!isRecord(value)) return value;
  const record = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toTaggedJson(each)]));
  return hasTagName(Object.keys(record)) ? { $record: record } : record;
};

/** Returns `undefined` for an invalid tag or too many levels of records. */
const fromTaggedJson = (json: unknown, depth = 0): unknown => {
  if (depth > 2 * valueDepthMax) return undefined;
  if (Array.isArray(json)) {
    const all = json.map((each) => fromTaggedJson(each, depth + 1));
    return all.includes(undefined) ? undefined : all;
  }
  if (!isRecord(json)) return json;
  if (!hasTagName(Object.keys(json))) return fromJsonRecord(json, depth);
  if (Object.hasOwn(json, '$bytes')) return decodeBase64(json['$bytes']);
  return isRecord(json['$record']) ? fromJsonRecord(json['$record'], depth + 1) : undefined;
};

const fromJsonRecord = (json: Readonly<Record<string, unknown>>, depth: number): unknown => {
  const all = Object.entries(json).map(([name, each]) => [name, fromTaggedJson(each, depth + 1)] as const);
  return all.some(([, each]) => each === undefined) ? undefined : Object.fromEntries(all);
};

/** Converts a value that readers see to JSON. */
export const toJson = (kind: ValueType, value: unknown): unknown => {
  if (isDate(value)) return value.toISOString();
  if (kind === 'data' && isBytes(value)) return base64Of(value);
  return kind === 'mixed' ? toTaggedJson(value) : value;
};

const toResult = (value: unknown, expected: string): Either<string, unknown> =>
  value === undefined ? left(expected) : right(value);

/**
 * Converts JSON to a value that apps pass, or returns the JSON that is expected instead. The value is not checked
 * against the schema.
 */
export const fromJson = (kind: ValueType, json: unknown): Either<string, unknown> => {
  if (json === null) return right(null);
  if (kind === 'date') return toResult(parseDate(json), 'a date as text, like 2024-05-01T08:00:00.000Z');
  if (kind === 'data') return toResult(decodeBase64(json), 'bytes as base64');
  return kind === 'mixed'
    ? toResult(fromTaggedJson(json), 'a mixed value, in it {"$bytes": base64} and {"$record": a record}')
    : right(json);
};
