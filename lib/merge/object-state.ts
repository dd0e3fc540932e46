import { compareValues, type Value, type Values } from '../model/value.js';
import { isWrite, type Operation, type Write } from './operation.js';
import {
  type CollectionStates,
  keepCollectionsAfter,
  removeOutdatedDefaults,
  applyToCollections,
  forgetCollectionTombstones,
  tombstoneTimesOf,
} from './collection-state.js';
import { compareStamps, isLater, type Stamp, wins } from './timestamp.js';
import { mutableRecordOf, type BatchOwnership } from './batch-ownership.js';

/**
 * What a replica knows of one object. Applying the same operations in any order, with any repeats, gives the same
 * state.
 *
 * A delete at D covers everything stamped up to D. The object is alive when its latest create is later than its latest
 * delete. A property has the value of its latest write; what D covers is gone. An update never brings an object back,
 * but what it wrote after D is kept out of sight, because the create it belongs to may still arrive.
 */
export interface ObjectState {
  /** The latest create; `null`: none is known. */
  readonly born: Stamp | null;
  /** The latest delete; `null`: none is known. */
  readonly died: Stamp | null;
  readonly values: Values;
  /** When a property was written, where that was not with `born`. Most objects have none of these. */
  readonly laterStamps: Readonly<Record<string, Stamp>> | null;
  /**
   * Its lists, sets, dictionaries and counters. Operations on them stand for themselves, whichever create they follow.
   */
  readonly collections: CollectionStates;
}

const unknownObject: ObjectState = { born: null, died: null, values: {}, laterStamps: null, collections: null };

/** Whether readers see it. */
export const isAlive = ({ born, died }: ObjectState): boolean => born !== null && isLater(born, died);

/**
 * The value of a property; `undefined` when none is known. A property may be called `constructor`: only own ones count.
 */
export const propertyValueOf = ({ values }: ObjectState, property: string): Value | undefined =>
  Object.hasOwn(values, property) ? values[property] : undefined;

const stampOf = ({ values, laterStamps, born }: ObjectState, property: string): Stamp | null => {
  if (!Object.hasOwn(values, property)) return null;
  return laterStamps !== null && Object.hasOwn(laterStamps, property) ? (laterStamps[property] ?? born) : born;
};

/** What is left of an object after a delete: what was written later. */
const applyDelete = (state: ObjectState, died: Stamp): ObjectState => {
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
  const parts = keepCollectionsAfter(state.collections, died);
  return { born, died, values, laterStamps: Object.keys(later).length > 0 ? later : null, collections: parts };
};

/**
 * Writes what is later than what is there, property by property. A create that is not the latest does no more than
 * this.
 */
const applyUpdate = (state: ObjectState, given: Values, stamp: Stamp, work: BatchOwnership | null): ObjectState => {
  let values: Record<string, Value> | undefined;
  let later: Record<string, Stamp> | undefined;
  const isBorn = state.born !== null && compareStamps(stamp, state.born) === 0;
  for (const property in given) {
    const value = given[property] ?? null;
    if (!wins(stamp, stampOf(state, property), () => compareValues(value, state.values[property] ?? null))) continue;
    values ??= mutableRecordOf(state.values, work);
    later ??= mutableRecordOf(state.laterStamps ?? {}, work);
    values[property] = value;
    later[property] = stamp;
    if (isBorn) later = Object.fromEntries(Object.entries(later).filter(([name]) => name !== property));
  }
  if (!values || !later) return state;
  return { ...state, values, laterStamps: isBorn && Object.keys(later).length === 0 ? null : later };
};

/** The latest create: what it wrote is the object, but for what is later still and what it did not know of. */
const applyLatestCreate = (state: ObjectState, given: Values, born: Stamp): ObjectState => {
  let values: Record<string, Value> | undefined;
  let later: Record<string, Stamp> | undefined;
  for (const property in state.values) {
    const before = stampOf(state, property);
    const value = state.values[property] ?? null;
    if (
      before === null ||
      (Object.hasOwn(given, property) && !wins(before, born, () => compareValues(value, given[property] ?? null)))
    )
      continue;
    values ??= { ...given };
    later ??= {};
    values[property] = value;
    if (compareStamps(before, born) !== 0) later[property] = before;
  }
  const stamps = later && Object.keys(later).length > 0 ? later : null;
  return {
    born,
    died: state.died,
    values: values ?? given,
    laterStamps: stamps,
    collections: removeOutdatedDefaults(state.collections, born),
  };
};

/** What a delete covers has never been, and that is also so for what arrives after it. */
const applyWrite = (
  state: ObjectState,
  { kind, values }: Write,
  stamp: Stamp,
  work: BatchOwnership | null,
): ObjectState => {
  if (!isLater(stamp, state.died)) return state;
  return kind === 'create' && isLater(stamp, state.born)
    ? applyLatestCreate(state, values, stamp)
    : applyUpdate(state, values, stamp, work);
};

/**
 * The state after an operation; the very same object when that changed nothing. Pure: states and operations are shared,
 * and never changed. With `work`, what the same batch has made so far is changed in place: then only the latest state
 * counts, until the batch is over.
 */
export const applyOperation = (
  before: ObjectState | undefined,
  operation: Operation,
  stamp: Stamp,
  work: BatchOwnership | null = null,
): ObjectState => {
  const state = before ?? unknownObject;
  if (operation.kind === 'delete') return applyDelete(state, stamp);
  if (isWrite(operation)) return applyWrite(state, operation, stamp, work);
  const parts = applyToCollections(state.collections, operation, stamp, state, work);
  return parts === undefined ? state : { ...state, collections: parts };
};

/**
 * What is still needed of an object when nothing that is stamped so comes any more: readers see the same, and what was
 * deleted or removed is forgotten. `null`: nothing of it.
 */
export const forgetTombstones = (state: ObjectState, isPast: (stamp: Stamp) => boolean): ObjectState | null => {
  const { born, died, values } = state;
  const parts = forgetCollectionTombstones(state.collections, isPast);
  const isBare = born === null && parts === null && Object.keys(values).length === 0;
  if (isBare && (died === null || isPast(died))) return null;
  // A delete is kept with what is left: what adds to a counter may name a create that it covers.
  return parts === state.collections ? state : { ...state, collections: parts };
};

/**
 * The latest time of what is kept of it only because others may still speak of it: deletes, and what was removed;
 * `null`: nothing is.
 */
export const latestTombstoneTimeOf = (state: ObjectState): number | null => {
  const times = tombstoneTimesOf(state.collections);
  if (state.died !== null && !isAlive(state)) times.push(state.died.time);
  return times.length === 0 ? null : times.reduce((a, b) => Math.max(a, b));
};
