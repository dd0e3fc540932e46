import { isAlive, propertyValueOf, type ObjectState } from '../../merge/object-state.js';
import { isBytes } from '../../model/built-ins.js';
import type { ObjectName } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import { decodeRowStarts, encodeValue } from '../../model/msgpack.js';
import { objectTextOf } from '../../model/object-key.js';
import { createDamageError, decodeStoredFields } from '../../model/stored-data.js';
import { compareValues, type Value, type Values } from '../../model/value.js';
import type { HistoryRecord } from './history-record.js';
import type { WatchedType } from './watched-properties.js';

/*
 * Touches: what a changeset did to the objects of watched types. A realm without filters has none. They are stored with
 * the changeset, so that the history alone says which objects began or ceased to match a filter between two versions.
 *
 * The form is a flat array. Each touch begins with the place of its object among the objects of the changeset, in the
 * order in which its operations first name them. Then follows one of:
 *
 * - `true`: the object exists before and after, and no watched property changed.
 * - `false`: the object exists neither before nor after.
 * - The values before and the values after, where one may be null. If the object exists before and after, the values
 *   after are `[position, value, …]` of the changed properties.
 */

/** The values of the watched properties of an object, in the order of {@link WatchedType.properties}. */
export type WatchedValues = readonly Value[];

/** The watched values of an object before and after some changesets; `null` where the object does not exist. */
export interface TouchChange {
  readonly before: WatchedValues | null;
  readonly after: WatchedValues | null;
}

/** The effect of a changeset on one object of a watched type. */
export interface Touch extends ObjectName {
  /** `null`: the object exists before and after, and no watched property changed. */
  readonly change: TouchChange | null;
}

/** Stands for arrays and records, which no filter compares. */
const other: Value = [];

/**
 * Returns a value of at most the size of a filter, with which every filter has the same result: an operand is smaller
 * than a filter, so that no longer value is equal to it, and its first characters decide about the order.
 */
const cutValue = (value: Value): Value => {
  const max = limits.filterBytesMax;
  if (typeof value === 'string') {
    if (value.length <= max) return value;
    const isPair = /[\ud800-\udbff]/.test(value.charAt(max - 1));
    return value.slice(0, isPair ? max - 1 : max);
  }
  if (typeof value !== 'object' || value === null) return value;
  if (!isBytes(value)) return other;
  return value.byteLength > max ? value.subarray(0, max) : value;
};

/** Returns the watched values of an object; `null` if it does not exist. */
export const watchedValuesOf = (state: ObjectState | undefined, { properties }: WatchedType): WatchedValues | null =>
  state === undefined || !isAlive(state)
    ? null
    : properties.map(({ name }) => cutValue(propertyValueOf(state, name) ?? null));

/** Collects the touches of one changeset. */
export class TouchWriter {
  private readonly parts: unknown[] = [];

  /** Adds the object at a place among the objects of the changeset. */
  add(place: number, before: ObjectState | undefined, after: ObjectState | undefined, watched: WatchedType): void {
    const was = watchedValuesOf(before, watched);
    const is = before === after ? was : watchedValuesOf(after, watched);
    if (was === null || is === null) {
      if (was === is) this.parts.push(place, false);
      else this.parts.push(place, was, is);
      return;
    }
    const changed = is.flatMap((value, at) => (compareValues(value, was[at] ?? null) === 0 ? [] : [at, value]));
    if (changed.length === 0) this.parts.push(place, true);
    else this.parts.push(place, was, changed);
  }

  /** Adds an object that did not exist, and whose only operation is a create with these values. */
  addCreated(place: number, values: Values, { properties }: WatchedType): void {
    const is = properties.map(({ name }) => cutValue(Object.hasOwn(values, name) ? (values[name] ?? null) : null));
    this.parts.push(place, null, is);
  }

  /** Returns the touches as they are stored. Without an object these are no bytes. */
  encode(): Uint8Array {
    return this.parts.length === 0 ? noTouches : encodeValue(this.parts);
  }
}

/** The touches of a changeset that changes no object of a watched type. */
export const noTouches: Uint8Array = new Uint8Array(0);

/** Returns the objects of a changeset, in the order in which its operations first name them. */
export const objectsOf = (body: Uint8Array): readonly ObjectName[] => {
  const named = new Map<string, ObjectName>();
  for (const [, type, key] of decodeRowStarts(body, Infinity, 3))
    if (typeof type === 'string' && (typeof key === 'string' || typeof key === 'number')) {
      const text = objectTextOf(type, key);
      if (!named.has(text)) named.set(text, { type, key: key });
    }
  return [...named.values()];
};

const areValues = (given: unknown): given is readonly Value[] | null => given === null || Array.isArray(given);

/** Returns the values after changes of some. */
const applyChanges = (before: WatchedValues, changes: readonly Value[]): WatchedValues => {
  const after = [...before];
  for (let at = 0; at < changes.length; at += 2) after[Number(changes[at])] = changes[at + 1] ?? null;
  return after;
};

/**
 * Returns the touches of a changeset in the history; `null` if it has none, because the realm was not watched when it
 * was appended. Throws a `StorageError` for damaged bytes.
 */
export const touchesOf = ({ version, body, touches }: HistoryRecord): readonly Touch[] | null => {
  if (touches === undefined) return null;
  if (touches.byteLength === 0) return [];
  const id = `touches of version ${version}`;
  const parts = decodeStoredFields(id, touches);
  const objects = objectsOf(body);
  const all: Touch[] = [];
  for (let at = 0; at < parts.length;) {
    const name = objects[Number(parts[at])];
    const before = parts[at + 1];
    if (name === undefined) throw createDamageError('record', id);
    if (typeof before === 'boolean') {
      all.push({ ...name, change: before ? null : { before: null, after: null } });
      at += 2;
      continue;
    }
    const after = parts[at + 2];
    if (!areValues(before) || !areValues(after)) throw createDamageError('record', id);
    const isBoth = before !== null && after !== null;
    all.push({ ...name, change: { before, after: isBoth ? applyChanges(before, after) : after } });
    at += 3;
  }
  return all;
};

/**
 * Returns the change of one object over its touches in consecutive versions: the first values before and the last ones
 * after. `null`: the object exists all the time, and no watched property changed.
 */
export const joinChanges = (earlier: TouchChange | null, later: TouchChange | null): TouchChange | null =>
  earlier === null || later === null ? (earlier ?? later) : { before: earlier.before, after: later.after };
