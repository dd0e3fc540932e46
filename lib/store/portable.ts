import { isBytes, isDate } from '../model/built-ins.js';
import type { Kind } from '../model/kinds.js';
import { isRecord, valueDepthMax } from '../model/value.js';

/*
 * Values as JSON has them. A date is ISO text, bytes are base64: the type of the property says which text is one. In `mixed`
 * there is nobody to say it, so there bytes are `{"$bytes": "…"}`, and a record whose only name begins with `$` is
 * `{"$record": {…}}`: no record can be taken for bytes.
 */

/** Characters that are made in one go: an argument list has a limit. */
const charsMax = 8_192;

const base64Of = (bytes: Uint8Array): string => {
  let text = '';
  for (let at = 0; at < bytes.byteLength; at += charsMax) {
    text += String.fromCharCode(...bytes.subarray(at, at + charsMax));
  }
  return btoa(text);
};

const bytesFrom = (given: unknown): Uint8Array | undefined => {
  if (typeof given !== 'string') return undefined;
  try {
    return Uint8Array.from(atob(given), (char) => char.charCodeAt(0));
  } catch {
    return undefined; // It is no base64.
  }
};

const dateFrom = (given: unknown): Date | undefined => {
  if (typeof given !== 'string') return undefined;
  const date = new Date(given);
  if (Number.isNaN(date.getTime())) return undefined;
  // `Date` reads much more than one form, some of it by guessing.
  const exact = date.toISOString();
  return exact === given || exact === given.replace(/Z$/, '.000Z') ? date : undefined;
};

const isTag = (names: readonly string[]): boolean => names.length === 1 && names[0]?.startsWith('$') === true;

/** A value of a `mixed` property as JSON. */
export const tagged = (value: unknown): unknown => {
  if (isBytes(value)) return { $bytes: base64Of(value) };
  if (Array.isArray(value)) return value.map(tagged);
  if (!isRecord(value)) return value;
  const record = Object.fromEntries(Object.entries(value).map(([name, each]) => [name, tagged(each)]));
  return isTag(Object.keys(record)) ? { $record: record } : record;
};

/** `undefined` where there is a tag that is none, or no end of records in records. */
const untagged = (json: unknown, depth = 0): unknown => {
  if (depth > 2 * valueDepthMax) return undefined;
  if (Array.isArray(json)) {
    const all = json.map((each) => untagged(each, depth + 1));
    return all.includes(undefined) ? undefined : all;
  }
  if (!isRecord(json)) return json;
  if (!isTag(Object.keys(json))) return recordFrom(json, depth);
  if (Object.hasOwn(json, '$bytes')) return bytesFrom(json['$bytes']);
  return isRecord(json['$record']) ? recordFrom(json['$record'], depth + 1) : undefined;
};

const recordFrom = (json: Readonly<Record<string, unknown>>, depth: number): unknown => {
  const all = Object.entries(json).map(([name, each]) => [name, untagged(each, depth + 1)] as const);
  return all.some(([, each]) => each === undefined) ? undefined : Object.fromEntries(all);
};

/** A value as readers get it, as JSON. */
export const toJson = (kind: Kind, value: unknown): unknown => {
  if (isDate(value)) return value.toISOString();
  if (kind === 'data' && isBytes(value)) return base64Of(value);
  return kind === 'mixed' ? tagged(value) : value;
};

/** A value as apps give it; what is wrong in any other way is for the schema to say. `undefined`: JSON that stands for none. */
export const fromJson = (kind: Kind, json: unknown): unknown => {
  if (json === null) return null;
  if (kind === 'date') return dateFrom(json);
  if (kind === 'data') return bytesFrom(json);
  return kind === 'mixed' ? untagged(json) : json;
};

/** What `fromJson` takes for a kind, in words. */
export const jsonExpected = (kind: Kind): string =>
  kind === 'date'
    ? 'a date as text, like 2024-05-01T08:00:00.000Z'
    : kind === 'data'
      ? 'bytes as base64'
      : 'a mixed value, in it {"$bytes": base64} and {"$record": a record}';
