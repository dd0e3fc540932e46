import { compareValues, type Value } from '../model/value.js';
import {
  collectionStateOf,
  type CollectionState,
  type CollectionStates,
  isEmptyCollection,
  removeOutdatedDefaults,
  removeUpTo,
} from './collection-state.js';
import { joinCounters } from './counter.js';
import { joinLists } from './join-lists.js';
import { joinEntries } from './lww-map.js';
import { applyDelete, type ObjectState, propertyStampOf } from './object-state.js';
import { compareStamps, laterStampOf, type Stamp, wins } from './timestamp.js';

const joinCollection = (a: CollectionState, b: CollectionState): CollectionState => {
  const clearedAt = laterStampOf(b.clearedAt, a.clearedAt);
  const keepContent = (each: CollectionState): CollectionState =>
    clearedAt === null || each.clearedAt === clearedAt ? each : removeUpTo(each, clearedAt);
  const [kept, other] = [keepContent(a), keepContent(b)];
  const joined: CollectionState = {
    clearedAt,
    list: joinLists(kept.list, other.list),
    entries: joinEntries(kept.entries, other.entries),
    counter: joinCounters(kept.counter, other.counter),
  };
  const isSame =
    clearedAt === a.clearedAt && joined.list === a.list && joined.entries === a.entries && joined.counter === a.counter;
  return isSame ? a : joined;
};

const joinCollections = (a: CollectionStates, b: CollectionStates): CollectionStates => {
  if (b === null || a === null) return a ?? b;
  let joined: Record<string, CollectionState> | undefined;
  for (const property in b) {
    const before = collectionStateOf(a, property);
    const after = joinCollection(before, collectionStateOf(b, property));
    if (after === before || isEmptyCollection(after)) continue;
    joined ??= { ...a };
    joined[property] = after;
  }
  return joined ?? a;
};

/** The latest write of each property of two states, and its stamp. */
interface JoinedValues {
  readonly values: Record<string, Value>;
  readonly stamps: Map<string, Stamp>;
  /** Whether `b` has a later write of some property. */
  isChanged: boolean;
}

const joinValues = (a: ObjectState, b: ObjectState): JoinedValues => {
  const joined: JoinedValues = { values: { ...a.values }, stamps: new Map(), isChanged: false };
  for (const property in a.values) {
    const stamp = propertyStampOf(a, property);
    if (stamp) joined.stamps.set(property, stamp);
  }
  for (const property in b.values) {
    const stamp = propertyStampOf(b, property);
    const value = b.values[property] ?? null;
    const before = joined.stamps.get(property) ?? null;
    if (!stamp || !wins(stamp, before, () => compareValues(value, joined.values[property] ?? null))) continue;
    joined.values[property] = value;
    joined.stamps.set(property, stamp);
    joined.isChanged = true;
  }
  return joined;
};

/** Returns the stamps that differ from `born`. Equal stamps become one object, because they are stored as one group. */
const laterStampsOf = (stamps: JoinedValues['stamps'], born: Stamp | null): ObjectState['laterStamps'] => {
  const later: Record<string, Stamp> = {};
  const known = new Map<string, Stamp>();
  for (const [property, stamp] of stamps) {
    if (born && compareStamps(stamp, born) === 0) continue;
    const text = `${stamp.time}.${stamp.count}.${stamp.replica}`;
    if (!known.has(text)) known.set(text, stamp);
    later[property] = known.get(text) ?? stamp;
  }
  return Object.keys(later).length > 0 ? later : null;
};

/**
 * Joins two states of one object: the state after all operations of both. Joining is commutative, associative and
 * idempotent, so states may arrive in any order and again. Pure. Returns `a` itself when `b` has nothing more.
 *
 * Both states know every operation up to which tombstones are removed (`forgetTombstones`): otherwise what one of them
 * has forgotten could come back from the other.
 */
export const joinStates = (a: ObjectState, b: ObjectState): ObjectState => {
  if (a === b) return a;
  const died = laterStampOf(b.died, a.died);
  const [left, right] = died === null ? [a, b] : [applyDelete(a, died), applyDelete(b, died)];
  const born = laterStampOf(right.born, left.born);
  const { values, stamps, isChanged } = joinValues(left, right);
  const collectionsOf = (side: ObjectState): CollectionStates =>
    born === null ? side.collections : removeOutdatedDefaults(side.collections, born);
  const collections = joinCollections(collectionsOf(left), collectionsOf(right));
  const isSame = left === a && born === a.born && !isChanged && collections === a.collections;
  return isSame ? a : { born, died, values, laterStamps: laterStampsOf(stamps, born), collections };
};
