import type { Value, Values } from '../model/value.js';
import { isWrite, type Operation, type Write } from './operation.js';
import { type Parts, partsAfter, partsWith } from './part.js';
import { isLater, type Stamp } from './stamp.js';

/**
 * What a replica knows of one object. Applying the same operations in any order, with any repeats, gives the same state.
 *
 * A delete at D covers everything stamped up to D. The object is alive when its latest create is later than its latest
 * delete. A property has the value of its latest write; what D covers is gone. An update never brings an object back, but
 * what it wrote after D is kept out of sight, because the create it belongs to may still arrive.
 */
export interface ObjectState {
  /** The latest create; `null`: none is known. */
  readonly born: Stamp | null;
  /** The latest delete; `null`: none is known. */
  readonly died: Stamp | null;
  readonly values: Values;
  /** When a property was written, where that was not with `born`. Most objects have none of these. */
  readonly later: Readonly<Record<string, Stamp>> | null;
  /** Its lists, sets, dictionaries and counters. Operations on them stand for themselves, whichever create they follow. */
  readonly parts: Parts;
}

const unknown: ObjectState = { born: null, died: null, values: {}, later: null, parts: null };

/** Whether readers see it. */
export const isAlive = ({ born, died }: ObjectState): boolean => born !== null && isLater(born, died);

/** The value of a property; `undefined` when none is known. A property may be called `constructor`: only own ones count. */
export const valueIn = ({ values }: ObjectState, property: string): Value | undefined =>
  Object.hasOwn(values, property) ? values[property] : undefined;

const stampOf = ({ values, later, born }: ObjectState, property: string): Stamp | null => {
  if (!Object.hasOwn(values, property)) return null;
  return later !== null && Object.hasOwn(later, property) ? (later[property] ?? born) : born;
};

/** What is left of an object after a delete: what was written later. */
const deleted = (state: ObjectState, died: Stamp): ObjectState => {
  if (!isLater(died, state.died)) return state;
  const values: Record<string, Value> = {};
  const later: Record<string, Stamp> = {};
  for (const property in state.values) {
    const stamp = stampOf(state, property);
    if (stamp === null || !isLater(stamp, died)) continue;
    values[property] = state.values[property] ?? null;
    if (stamp !== state.born) later[property] = stamp;
  }
  const born = state.born !== null && isLater(state.born, died) ? state.born : null;
  const parts = partsAfter(state.parts, died);
  return { born, died, values, later: Object.keys(later).length > 0 ? later : null, parts };
};

/** Writes what is later than what is there, property by property. A create that is not the latest does no more than this. */
const updated = (state: ObjectState, given: Values, stamp: Stamp): ObjectState => {
  let values: Record<string, Value> | undefined;
  let later: Record<string, Stamp> | undefined;
  for (const property in given) {
    const before = stampOf(state, property);
    if (before !== null && !isLater(stamp, before)) continue;
    values ??= { ...state.values };
    later ??= { ...state.later };
    values[property] = given[property] ?? null;
    later[property] = stamp;
  }
  return values && later ? { ...state, values, later } : state;
};

/** The latest create: what it wrote is the object, but for what is later still and what it did not know of. */
const reborn = (state: ObjectState, given: Values, born: Stamp): ObjectState => {
  let values: Record<string, Value> | undefined;
  let later: Record<string, Stamp> | undefined;
  for (const property in state.values) {
    const before = stampOf(state, property);
    if (before === null || (Object.hasOwn(given, property) && isLater(born, before))) continue;
    values ??= { ...given };
    later ??= {};
    values[property] = state.values[property] ?? null;
    later[property] = before;
  }
  return { born, died: state.died, values: values ?? given, later: later ?? null, parts: state.parts };
};

/** What a delete covers has never been, and that is also so for what arrives after it. */
const written = (state: ObjectState, { kind, values }: Write, stamp: Stamp): ObjectState => {
  if (!isLater(stamp, state.died)) return state;
  return kind === 'create' && isLater(stamp, state.born) ? reborn(state, values, stamp) : updated(state, values, stamp);
};

/**
 * The state after an operation; the very same object when that changed nothing. Pure: states and operations are shared, and
 * never changed.
 */
export const applyOperation = (before: ObjectState | undefined, operation: Operation, stamp: Stamp): ObjectState => {
  const state = before ?? unknown;
  if (operation.kind === 'delete') return deleted(state, stamp);
  if (isWrite(operation)) return written(state, operation, stamp);
  const parts = partsWith(state.parts, operation, stamp, state.died);
  return parts === state.parts ? state : { ...state, parts };
};
