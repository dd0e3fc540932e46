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
 * The state of one object. Applying the same operations in any order, with any duplicates, results in the same state.
 *
 * A delete at D covers everything stamped up to D. The object is alive when its latest create is later than its latest
 * delete. A property has the value of its latest write, unless D covers that write. An update never restores an object.
 * What the update wrote after D is kept invisibly, because the create before it may still arrive.
 */
export interface ObjectState {
  /** The latest create; `null`: none is known. */
  readonly born: Stamp | null;
  /** The latest delete; `null`: none is known. */
  readonly died: Stamp | null;
  readonly values: Values;
  /** The stamps of properties that were not written with `born`. Most objects have none. */
  readonly laterStamps: Readonly<Record<string, Stamp>> | null;
  /** The lists, sets, dictionaries and counters. Their operations count after any create. */
  readonly collections: CollectionStates;
}

const unknownObject: ObjectState = { born: null, died: null, values: {}, laterStamps: null, collections: null };

/** Whether readers see the object. */
export const isAlive = ({ born, died }: ObjectState): boolean => born !== null && isLater(born, died);

/**
 * Returns the value of a property; `undefined` when none is known. Only own properties count, because a property may be
 * called `constructor`.
 */
export const propertyValueOf = ({ values }: ObjectState, property: string): Value | undefined =>
  Object.hasOwn(values, property) ? values[property] : undefined;

/** Returns the stamp of the latest write of a property; `null` when none is known. */
export const propertyStampOf = ({ values, laterStamps, born }: ObjectState, property: string): Stamp | null => {
  if (!Object.hasOwn(values, property)) return null;
  return laterStamps !== null && Object.hasOwn(laterStamps, property) ? (laterStamps[property] ?? born) : born;
};

/** Removes what a delete covers. Returns the same object when the state already has this delete or a later one. */
export const applyDelete = (state: ObjectState, died: Stamp): ObjectState => {
  if (!isLater(died, state.died)) return state;
  const values: Record<string, Value> = {};
  const later: Record<string, Stamp> = {};
  for (const property in state.values) {
    const stamp = propertyStampOf(state, property);
    if (stamp === null || !isLater(stamp, died)) continue;
    values[property] = state.values[property] ?? null;
    if (stamp !== state.born) later[property] = stamp;
  }
  const born = state.born !== null && isLater(state.born, died) ? state.born : null;
  const collections = keepCollectionsAfter(state.collections, died);
  return { born, died, values, laterStamps: Object.keys(later).length > 0 ? later : null, collections: collections };
};

/** Writes the properties whose stamp is later than the present one. A create that is not the latest does only this. */
const applyUpdate = (state: ObjectState, given: Values, stamp: Stamp, batch: BatchOwnership | null): ObjectState => {
  let values: Record<string, Value> | undefined;
  let later: Record<string, Stamp> | undefined;
  const isBorn = state.born !== null && compareStamps(stamp, state.born) === 0;
  for (const property in given) {
    const value = given[property] ?? null;
    if (!wins(stamp, propertyStampOf(state, property), () => compareValues(value, state.values[property] ?? null)))
      continue;
    values ??= mutableRecordOf(state.values, batch);
    later ??= mutableRecordOf(state.laterStamps ?? {}, batch);
    values[property] = value;
    later[property] = stamp;
    if (isBorn) later = Object.fromEntries(Object.entries(later).filter(([name]) => name !== property));
  }
  if (!values || !later) return state;
  return { ...state, values, laterStamps: isBorn && Object.keys(later).length === 0 ? null : later };
};

/** Applies the latest create: its values are the object's, except properties that are newer or unknown to it. */
const applyLatestCreate = (state: ObjectState, given: Values, born: Stamp): ObjectState => {
  let values: Record<string, Value> | undefined;
  let later: Record<string, Stamp> | undefined;
  for (const property in state.values) {
    const before = propertyStampOf(state, property);
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

/** Applies a create or an update. A write that a delete covers is ignored, also when it arrives after the delete. */
const applyWrite = (
  state: ObjectState,
  { kind, values }: Write,
  stamp: Stamp,
  batch: BatchOwnership | null,
): ObjectState => {
  if (!isLater(stamp, state.died)) return state;
  return kind === 'create' && isLater(stamp, state.born)
    ? applyLatestCreate(state, values, stamp)
    : applyUpdate(state, values, stamp, batch);
};

/**
 * Returns the state after an operation; the same object when nothing changed. Pure: states and operations are shared
 * and never changed. With `batch`, objects that the same batch created are changed in place: then only the latest state
 * is valid until the batch is over.
 */
export const applyOperation = (
  before: ObjectState | undefined,
  operation: Operation,
  stamp: Stamp,
  batch: BatchOwnership | null = null,
): ObjectState => {
  const state = before ?? unknownObject;
  if (operation.kind === 'delete') return applyDelete(state, stamp);
  if (isWrite(operation)) return applyWrite(state, operation, stamp, batch);
  const collections = applyToCollections(state.collections, operation, stamp, state, batch);
  return collections === undefined ? state : { ...state, collections: collections };
};

/**
 * Returns the state without tombstones that no future operation can refer to. Readers see the same. `null`: nothing is
 * left.
 */
export const forgetTombstones = (state: ObjectState, isPast: (stamp: Stamp) => boolean): ObjectState | null => {
  const { born, died, values } = state;
  const collections = forgetCollectionTombstones(state.collections, isPast);
  const isBare = born === null && collections === null && Object.keys(values).length === 0;
  if (isBare && (died === null || isPast(died))) return null;
  // A delete is kept with other content, because an increment may name a create that the delete covers.
  return collections === state.collections ? state : { ...state, collections: collections };
};

/**
 * Returns the latest time of all tombstones; `null` without tombstones. Tombstones are kept only because other replicas
 * may still refer to deleted objects and removed elements.
 */
export const latestTombstoneTimeOf = (state: ObjectState): number | null => {
  const times = tombstoneTimesOf(state.collections);
  if (state.died !== null && !isAlive(state)) times.push(state.died.time);
  return times.length === 0 ? null : times.reduce((a, b) => Math.max(a, b));
};
