import type { Value, Values } from '../model/value.js';
import type { Operation } from './operation.js';
import { compareStamps, type Stamp } from './stamp.js';

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
}

const unknown: ObjectState = { born: null, died: null, values: {}, later: null };

const isLater = (a: Stamp, b: Stamp | null): boolean => b === null || compareStamps(a, b) > 0;

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
  return { born, died, values, later: Object.keys(later).length > 0 ? later : null };
};

/** Writes what is later than what is there, property by property; `born` changes with a later create. */
const written = (state: ObjectState, given: Values, stamp: Stamp, born: Stamp | null): ObjectState => {
  if (!isLater(stamp, state.died)) return state;
  const values: Record<string, Value> = { ...state.values };
  const later: Record<string, Stamp> = {};
  let changed = born !== state.born;
  for (const property in given) {
    const before = stampOf(state, property);
    if (before !== null && !isLater(stamp, before)) continue;
    values[property] = given[property] ?? null;
    later[property] = stamp;
    changed = true;
  }
  if (!changed) return state;
  for (const property in values) {
    const at = Object.hasOwn(later, property) ? (later[property] ?? null) : stampOf(state, property);
    if (at === null || at === born) Reflect.deleteProperty(later, property);
    else later[property] = at;
  }
  return { born, died: state.died, values, later: Object.keys(later).length > 0 ? later : null };
};

const created = (state: ObjectState, values: Values, stamp: Stamp): ObjectState => {
  if (state === unknown) return { born: stamp, died: null, values, later: null };
  if (!isLater(stamp, state.died)) return state;
  return written(state, values, stamp, isLater(stamp, state.born) ? stamp : state.born);
};

/** The state after an operation; the very same object when that changed nothing. Pure: states and operations are shared, and never changed. */
export const applyOperation = (before: ObjectState | undefined, operation: Operation, stamp: Stamp): ObjectState => {
  const state = before ?? unknown;
  switch (operation.kind) {
    case 'create':
      return created(state, operation.values, stamp);
    case 'update':
      return written(state, operation.values, stamp, state.born);
    case 'delete':
      return deleted(state, stamp);
  }
};
