import type { Instant } from '../model/changeset.js';
import { type ElementId, isOutdated } from './list-element.js';
import { type Counter, keepCounterAfter, addIncrement } from './counter.js';
import { keepEntriesAfter, type LwwMap, applyEntries, forgetEntryTombstones, emptyEntries } from './lww-map.js';
import {
  insertElements,
  isEmptyList,
  type List,
  keepListAfter,
  removeOutdatedElements,
  forgetListTombstones,
  moveElement,
  emptyList,
  removeElements,
  replaceElement,
} from './list.js';
import type { CollectionOperation } from './operation.js';
import { isLater, laterStampOf, type Stamp } from './timestamp.js';
import { mutableRecordOf, type BatchOwnership } from './batch-ownership.js';

/**
 * The state of one collection or counter of an object: a list, the entries of a set or dictionary, the increments of a
 * counter. Only the schema says which of them a property has. Merging does not need the schema, and so also merges
 * properties that this app does not know.
 */
export interface CollectionState {
  /** The latest clear. Everything inserted up to then is ignored. `null`: the collection was never cleared. */
  readonly clearedAt: Stamp | null;
  readonly list: List;
  readonly entries: LwwMap;
  readonly counter: Counter;
}

/** Collections by property name; `null`: the object has none, as most objects. */
export type CollectionStates = Readonly<Record<string, CollectionState>> | null;

export const emptyCollection: CollectionState = {
  clearedAt: null,
  list: emptyList,
  entries: emptyEntries,
  counter: [],
};

export const isEmptyCollection = ({ clearedAt, list, entries, counter }: CollectionState): boolean =>
  clearedAt === null && isEmptyList(list) && entries.size === 0 && counter.length === 0;

export const collectionStateOf = (collections: CollectionStates, property: string): CollectionState =>
  collections !== null && Object.hasOwn(collections, property)
    ? (collections[property] ?? emptyCollection)
    : emptyCollection;

/** Returns the collection without what was inserted up to a stamp. Counters have no such content. */
export const removeUpTo = (collection: CollectionState, floor: Stamp): CollectionState => ({
  ...collection,
  list: keepListAfter(collection.list, floor),
  entries: keepEntriesAfter(collection.entries, floor),
});

const applyClear = (collection: CollectionState, stamp: Stamp): CollectionState =>
  isLater(stamp, collection.clearedAt) ? { ...removeUpTo(collection, stamp), clearedAt: stamp } : collection;

/** Conditions for an operation on a collection. */
interface OperationContext {
  readonly stamp: Stamp;
  /** Everything inserted up to this stamp is ignored. */
  readonly floor: Stamp | null;
  /** The latest create of the object. */
  readonly born: Stamp | null;
  readonly batch: BatchOwnership | null;
}

const replaceEntries = (collection: CollectionState, entries: LwwMap | null): CollectionState =>
  entries === null ? collection : { ...collection, entries };

/** Applies one operation to a collection. Returns the same object when nothing changed. */
const applyToCollection = (
  collection: CollectionState,
  operation: CollectionOperation,
  at: OperationContext,
): CollectionState => {
  const { stamp, floor, batch } = at;
  switch (operation.kind) {
    case 'clear':
      return applyClear(collection, stamp);
    case 'increment': {
      const counter = addIncrement(collection.counter, operation, stamp, batch);
      return counter === null ? collection : { ...collection, counter };
    }
    case 'put':
      return isLater(stamp, floor)
        ? replaceEntries(collection, applyEntries(collection.entries, operation.entries, stamp, batch))
        : collection;
    case 'drop': {
      const drops = operation.keys.map((key) => [key, undefined] as const);
      return isLater(stamp, floor)
        ? replaceEntries(collection, applyEntries(collection.entries, drops, stamp, batch))
        : collection;
    }
    default: {
      const list = applyToList(collection.list, operation, at);
      return list === collection.list ? collection : { ...collection, list };
    }
  }
};

const applyToList = (
  list: List,
  operation: Extract<CollectionOperation, { readonly kind: 'insert' | 'move' | 'replace' | 'remove' }>,
  { stamp, floor, born, batch }: OperationContext,
): List => {
  // A correct replica never names an element that was written later. With such a name, a delete in between could make
  // replicas differ.
  const isKnown = (id: ElementId): boolean => isLater(id, floor) && isLater(stamp, id);
  switch (operation.kind) {
    case 'insert':
      return isLater(stamp, floor) && !isOutdated(stamp, operation.defaultOf ?? 0, born)
        ? insertElements(list, operation, stamp, batch)
        : list;
    case 'move':
      return isKnown(operation.element) ? moveElement(list, operation.element, operation.position, stamp, batch) : list;
    case 'replace':
      return isKnown(operation.element) ? replaceElement(list, operation.element, operation.value, stamp, batch) : list;
    case 'remove':
      return removeElements(list, operation.elements.filter(isKnown), batch);
  }
};

/**
 * Applies an operation to one of the collections; `undefined`: nothing changed. `born` and `died` are the object's
 * latest create and delete.
 */
export const applyToCollections = (
  collections: CollectionStates,
  operation: CollectionOperation,
  stamp: Stamp,
  { born, died }: { readonly born: Stamp | null; readonly died: Stamp | null },
  batch: BatchOwnership | null,
): CollectionStates | undefined => {
  if (!isLater(stamp, died)) return undefined;
  if (operation.kind === 'increment' && !(isLater(operation.born, died) && isLater(stamp, operation.born)))
    return undefined;
  const before = collectionStateOf(collections, operation.property);
  const after = applyToCollection(before, operation, {
    stamp,
    floor: laterStampOf(died, before.clearedAt),
    born,
    batch,
  });
  if (after === before) return undefined;
  const own = mutableRecordOf(collections ?? {}, batch);
  own[operation.property] = after;
  return own;
};

/** Returns the collections without what a delete covers. */
export const keepCollectionsAfter = (collections: CollectionStates, died: Stamp): CollectionStates => {
  if (collections === null) return null;
  const left: Record<string, CollectionState> = {};
  for (const [property, collection] of Object.entries(collections)) {
    const kept = {
      ...removeUpTo(collection, died),
      counter: keepCounterAfter(collection.counter, died),
      clearedAt: collection.clearedAt !== null && isLater(collection.clearedAt, died) ? collection.clearedAt : null,
    };
    if (!isEmptyCollection(kept)) left[property] = kept;
  }
  return Object.keys(left).length > 0 ? left : null;
};

/**
 * Changes some collections, and omits those that are empty afterwards. Returns the same object when nothing changed.
 */
const changeCollections = (
  collections: CollectionStates,
  change: (collection: CollectionState) => CollectionState,
): CollectionStates => {
  const before = Object.entries(collections ?? {});
  const after = before.map(([property, collection]) => [property, change(collection)] as const);
  if (after.every(([, collection], at) => collection === before[at]?.[1])) return collections;
  const left = after.filter(([, collection]) => !isEmptyCollection(collection));
  return left.length > 0 ? Object.fromEntries(left) : null;
};

/** Removes the default list elements of earlier creates after a later create. */
export const removeOutdatedDefaults = (collections: CollectionStates, born: Stamp): CollectionStates =>
  changeCollections(collections, (collection) => {
    const list = removeOutdatedElements(collection.list, born);
    return list === collection.list ? collection : { ...collection, list };
  });

/** Returns the collections without tombstones that no future operation can refer to. */
export const forgetCollectionTombstones = (
  collections: CollectionStates,
  isPast: (stamp: Stamp) => boolean,
): CollectionStates =>
  changeCollections(collections, (collection) => {
    const list = forgetListTombstones(collection.list, isPast);
    const entries = forgetEntryTombstones(collection.entries, isPast);
    const floor = collection.clearedAt !== null && isPast(collection.clearedAt) ? null : collection.clearedAt;
    return list === collection.list && entries === collection.entries && floor === collection.clearedAt
      ? collection
      : { ...collection, list, entries, clearedAt: floor };
  });

/** Returns the times of all tombstones and early edits. */
export const tombstoneTimesOf = (collections: CollectionStates): number[] => {
  const times: number[] = [];
  for (const { list, entries } of Object.values(collections ?? {})) {
    for (const { time } of list.tombstones.values()) times.push(time);
    for (const { id } of list.earlyEdits.values()) times.push(id.time);
    for (const { isRemoved, stamp } of entries.values()) if (isRemoved) times.push(stamp.time);
  }
  return times;
};

/** Returns the instants of all content. No content is later than the latest of them. */
export const instantsOf = (collections: CollectionStates): readonly Instant[] =>
  Object.values(collections ?? {}).flatMap(({ clearedAt: floor, list, entries, counter }) => [
    ...(floor === null ? [] : [floor]),
    ...list.elements.flatMap(({ id, moved: to, replaced: by }) => [id, ...(to ? [to] : []), ...(by ? [by] : [])]),
    ...[...list.earlyEdits.values()].flatMap(({ id, moved: to, replaced: by }) => [
      id,
      ...(to ? [to.stamp] : []),
      ...(by ? [by.stamp] : []),
    ]),
    ...list.tombstones.values(),
    ...[...entries.values()].map(({ stamp }) => stamp),
    ...counter.flatMap(({ chains }) => chains.map(({ upTo }) => upTo)),
  ]);
