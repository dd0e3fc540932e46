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
import { isLater, type Stamp } from './timestamp.js';
import { mutableRecordOf, type BatchOwnership } from './batch-ownership.js';

/**
 * What a property holds besides its value: a list, the entries of a set or dictionary, what was added to a counter. The
 * schema says which of them it has; the merging does not know schemas, so that it also merges what this app does not
 * know.
 */
export interface CollectionState {
  /** When it was last emptied: what was put in up to then has never been. `null`: it was not. */
  readonly clearedAt: Stamp | null;
  readonly list: List;
  readonly entries: LwwMap;
  readonly counter: Counter;
}

/** Parts by the names of their properties; `null`: there are none, as in most objects. */
export type CollectionStates = Readonly<Record<string, CollectionState>> | null;

export const emptyCollection: CollectionState = {
  clearedAt: null,
  list: emptyList,
  entries: emptyEntries,
  counter: [],
};

const isEmptyCollection = ({ clearedAt, list, entries, counter }: CollectionState): boolean =>
  clearedAt === null && isEmptyList(list) && entries.size === 0 && counter.length === 0;

export const collectionStateOf = (parts: CollectionStates, property: string): CollectionState =>
  parts !== null && Object.hasOwn(parts, property) ? (parts[property] ?? emptyCollection) : emptyCollection;

const removeUpTo = (part: CollectionState, floor: Stamp): CollectionState => ({
  ...part,
  list: keepListAfter(part.list, floor),
  entries: keepEntriesAfter(part.entries, floor),
});

const applyClear = (part: CollectionState, stamp: Stamp): CollectionState =>
  isLater(stamp, part.clearedAt) ? { ...removeUpTo(part, stamp), clearedAt: stamp } : part;

/** What an operation on a part meets there. */
interface OperationContext {
  readonly stamp: Stamp;
  /** What was put in up to then has never been. */
  readonly floor: Stamp | null;
  /** The latest create of the object. */
  readonly born: Stamp | null;
  readonly work: BatchOwnership | null;
}

const replaceEntries = (part: CollectionState, entries: LwwMap | null): CollectionState =>
  entries === null ? part : { ...part, entries };

/** A part after one operation; the very same one when that changed nothing. */
const applyToCollection = (
  part: CollectionState,
  operation: CollectionOperation,
  at: OperationContext,
): CollectionState => {
  const { stamp, floor, work } = at;
  switch (operation.kind) {
    case 'clear':
      return applyClear(part, stamp);
    case 'increment': {
      const counter = addIncrement(part.counter, operation, stamp, work);
      return counter === null ? part : { ...part, counter };
    }
    case 'put':
      return isLater(stamp, floor)
        ? replaceEntries(part, applyEntries(part.entries, operation.entries, stamp, work))
        : part;
    case 'drop': {
      const drops = operation.keys.map((key) => [key, undefined] as const);
      return isLater(stamp, floor) ? replaceEntries(part, applyEntries(part.entries, drops, stamp, work)) : part;
    }
    default: {
      const list = applyToList(part.list, operation, at);
      return list === part.list ? part : { ...part, list };
    }
  }
};

const applyToList = (
  list: List,
  operation: Extract<CollectionOperation, { readonly kind: 'insert' | 'move' | 'replace' | 'remove' }>,
  { stamp, floor, born, work }: OperationContext,
): List => {
  // Nobody honest names what was written after him; a delete that came in between would tell the replicas apart.
  const isKnown = (id: ElementId): boolean => isLater(id, floor) && isLater(stamp, id);
  switch (operation.kind) {
    case 'insert':
      return isLater(stamp, floor) && !isOutdated(stamp, operation.defaultOf ?? 0, born)
        ? insertElements(list, operation, stamp, work)
        : list;
    case 'move':
      return isKnown(operation.element) ? moveElement(list, operation.element, operation.place, stamp, work) : list;
    case 'replace':
      return isKnown(operation.element) ? replaceElement(list, operation.element, operation.value, stamp, work) : list;
    case 'remove':
      return removeElements(list, operation.elements.filter(isKnown), work);
  }
};

const laterStampOf = (a: Stamp | null, b: Stamp | null): Stamp | null => (a !== null && isLater(a, b) ? a : b);

/**
 * Parts after one operation on one of them; `undefined`: that changed nothing. `born`, `died`: the object's latest
 * create and delete.
 */
export const applyToCollections = (
  parts: CollectionStates,
  operation: CollectionOperation,
  stamp: Stamp,
  { born, died }: { readonly born: Stamp | null; readonly died: Stamp | null },
  work: BatchOwnership | null,
): CollectionStates | undefined => {
  if (!isLater(stamp, died)) return undefined;
  if (operation.kind === 'increment' && !(isLater(operation.born, died) && isLater(stamp, operation.born)))
    return undefined;
  const before = collectionStateOf(parts, operation.property);
  const after = applyToCollection(before, operation, {
    stamp,
    floor: laterStampOf(died, before.clearedAt),
    born,
    work,
  });
  if (after === before) return undefined;
  const own = mutableRecordOf(parts ?? {}, work);
  own[operation.property] = after;
  return own;
};

/** What is left of the parts of an object after a delete. */
export const keepCollectionsAfter = (parts: CollectionStates, died: Stamp): CollectionStates => {
  if (parts === null) return null;
  const left: Record<string, CollectionState> = {};
  for (const [property, part] of Object.entries(parts)) {
    const kept = {
      ...removeUpTo(part, died),
      counter: keepCounterAfter(part.counter, died),
      clearedAt: part.clearedAt !== null && isLater(part.clearedAt, died) ? part.clearedAt : null,
    };
    if (!isEmptyCollection(kept)) left[property] = kept;
  }
  return Object.keys(left).length > 0 ? left : null;
};

/** Parts of which some are changed, and those left out of which nothing is left; the very same ones when none is. */
const changeCollections = (
  parts: CollectionStates,
  change: (part: CollectionState) => CollectionState,
): CollectionStates => {
  const before = Object.entries(parts ?? {});
  const after = before.map(([property, part]) => [property, change(part)] as const);
  if (after.every(([, part], at) => part === before[at]?.[1])) return parts;
  const left = after.filter(([, part]) => !isEmptyCollection(part));
  return left.length > 0 ? Object.fromEntries(left) : null;
};

/**
 * What is left of the parts of an object when it was created later: not what an earlier create began its lists with.
 */
export const removeOutdatedDefaults = (parts: CollectionStates, born: Stamp): CollectionStates =>
  changeCollections(parts, (part) => {
    const list = removeOutdatedElements(part.list, born);
    return list === part.list ? part : { ...part, list };
  });

/** What the parts of an object still need when nothing that is stamped so comes any more. */
export const forgetCollectionTombstones = (
  parts: CollectionStates,
  isPast: (stamp: Stamp) => boolean,
): CollectionStates =>
  changeCollections(parts, (part) => {
    const list = forgetListTombstones(part.list, isPast);
    const entries = forgetEntryTombstones(part.entries, isPast);
    const floor = part.clearedAt !== null && isPast(part.clearedAt) ? null : part.clearedAt;
    return list === part.list && entries === part.entries && floor === part.clearedAt
      ? part
      : { ...part, list, entries, clearedAt: floor };
  });

/** The times of what parts keep only because others may still speak of it. */
export const tombstoneTimesOf = (parts: CollectionStates): number[] => {
  const times: number[] = [];
  for (const { list, entries } of Object.values(parts ?? {})) {
    for (const { time } of list.tombstones.values()) times.push(time);
    for (const { id } of list.earlyEdits.values()) times.push(id.time);
    for (const { isRemoved, stamp } of entries.values()) if (isRemoved) times.push(stamp.time);
  }
  return times;
};

/** When everything in it was written: nothing in it is later than the latest of these. */
export const instantsOf = (parts: CollectionStates): readonly Instant[] =>
  Object.values(parts ?? {}).flatMap(({ clearedAt: floor, list, entries, counter }) => [
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
