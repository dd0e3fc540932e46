import { compareValues, type Value } from '../model/value.js';
import { compareElementIds, type ListElement, type ElementId, idTextOf, isOutdated } from './list-element.js';
import type { Insert } from './operation.js';
import {
  elementsByIdOf,
  compareElements,
  finderOf,
  indexOf,
  markOwned,
  mutableElementsOf,
  insertSorted,
} from './element-order.js';
import { comparePositions, type ListPosition } from './list-position.js';
import { compareStamps, isLater, type Stamp, wins } from './timestamp.js';
import { mutableMapOf, type BatchOwnership } from './batch-ownership.js';

/** Edits of an element that arrived before its insert. */
export interface EarlyEdit {
  readonly id: ElementId;
  readonly moved: { readonly position: ListPosition; readonly stamp: Stamp } | null;
  readonly replaced: { readonly value: Value; readonly stamp: Stamp } | null;
}

/**
 * A list. Inserts add elements, moves change their positions, replacements change their values. The latest move and
 * replacement count, and removed elements stay removed. Each function returns the changed list, or the same object when
 * nothing changed. Only arrays and maps that the batch created are changed in place.
 */
export interface List {
  /** The elements in order. */
  readonly elements: readonly ListElement[];
  /** Early edits by the texts of element ids. */
  readonly earlyEdits: ReadonlyMap<string, EarlyEdit>;
  /** Removed elements by the texts of their ids. Their inserts may arrive again, or only later. */
  readonly tombstones: ReadonlyMap<string, ElementId>;
}

export const emptyList: List = { elements: [], earlyEdits: new Map(), tombstones: new Map() };

export const isEmptyList = ({ elements, earlyEdits, tombstones }: List): boolean =>
  elements.length === 0 && earlyEdits.size === 0 && tombstones.size === 0;

/** Returns the elements of an insert that are already in the list, by their indexes. */
const findInserted = (
  { elements }: List,
  keys: number,
  stamp: Stamp,
  batch: BatchOwnership | null,
): Map<number, ListElement> => {
  const found = new Map<number, ListElement>();
  const finder = finderOf(elements, batch);
  if (finder && isLater(stamp, finder.newestStamp)) return found;
  if (finder && keys === 1) {
    const byId = elementsByIdOf(finder, elements);
    const { time, count, replica } = stamp;
    const element = byId.get(idTextOf({ time, count, replica, index: 0 }));
    if (element) found.set(0, element);
    return found;
  }
  for (const element of elements) if (compareStamps(element.id, stamp) === 0) found.set(element.id.index, element);
  return found;
};

/** Applies edits that arrived before the insert. */
const applyEarlyEdit = (element: ListElement, early: EarlyEdit | undefined): ListElement =>
  early === undefined
    ? element
    : {
        ...element,
        position: early.moved?.position ?? element.position,
        moved: early.moved?.stamp ?? null,
        value: early.replaced ? early.replaced.value : element.value,
        replaced: early.replaced?.stamp ?? null,
      };

/**
 * Merges an element that is inserted twice with different content, which a correct replica never does. The greater
 * position and value count, whichever came first.
 */
const mergeDuplicate = (before: ListElement, { position, value }: ListElement): ListElement => {
  const isPlaced = before.moved === null && comparePositions(position, before.position) > 0;
  const isValued = before.replaced === null && compareValues(value, before.value) > 0;
  if (!isPlaced && !isValued) return before;
  return { ...before, position: isPlaced ? position : before.position, value: isValued ? value : before.value };
};

/** Replaces the element at an index, which may change its position. */
const changeElementAt = (list: List, at: number, element: ListElement, batch: BatchOwnership | null): List => {
  const elements = mutableElementsOf(list.elements, batch);
  const isMoved = elements[at]?.position !== element.position;
  if (!isMoved) {
    elements[at] = element;
    batch?.finders.get(elements)?.byId?.set(idTextOf(element.id), element);
    return { ...list, elements };
  }
  elements.splice(at, 1);
  return { ...list, elements: insertSorted(elements, [element], batch) };
};

export const insertElements = (list: List, operation: Insert, stamp: Stamp, batch: BatchOwnership | null): List => {
  const { run, keys, values, indexes, defaultOf = 0 } = operation;
  const { time, count, replica } = stamp;
  const known = findInserted(list, indexes ? 0 : keys.length, stamp, batch);
  const hasText = list.tombstones.size > 0 || list.earlyEdits.size > 0;
  const more: ListElement[] = [];
  let after = list;
  keys.forEach((key, at) => {
    const id: ElementId = { time, count, replica, index: indexes?.[at] ?? at };
    const value = values[at] ?? null;
    const element: ListElement = { id, position: { run, key }, moved: null, value, replaced: null, defaultOf };
    const before = known.get(id.index);
    if (before) {
      const other = mergeDuplicate(before, element);
      if (other !== before) after = changeElementAt(after, indexOf(after.elements, id, batch), other, batch);
      return;
    }
    const text = hasText ? idTextOf(id) : '';
    if (hasText && list.tombstones.has(text)) return;
    const early = hasText ? after.earlyEdits.get(text) : undefined;
    more.push(applyEarlyEdit(element, early));
    if (early) {
      const rest = mutableMapOf(after.earlyEdits, batch);
      rest.delete(text);
      after = { ...after, earlyEdits: rest };
    }
  });
  if (more.length === 0) return after;
  return { ...after, elements: insertSorted(after.elements, more.sort(compareElements), batch) };
};

const keepEarlyEdit = (
  list: List,
  id: ElementId,
  change: (before: EarlyEdit) => EarlyEdit,
  batch: BatchOwnership | null,
): List => {
  const text = idTextOf(id);
  if (list.tombstones.has(text)) return list;
  const before = list.earlyEdits.get(text) ?? { id, moved: null, replaced: null };
  const after = change(before);
  return after === before ? list : { ...list, earlyEdits: mutableMapOf(list.earlyEdits, batch).set(text, after) };
};

const noteDisplaced = ({ elements }: List, id: ElementId, batch: BatchOwnership | null): void => {
  const left = batch?.finders.get(elements)?.lastDisplaced;
  const last = left?.get(id.replica);
  if (left && (!last || compareElementIds(id, last) > 0)) left.set(id.replica, id);
};

export const moveElement = (
  list: List,
  id: ElementId,
  position: ListPosition,
  stamp: Stamp,
  batch: BatchOwnership | null,
): List => {
  const isLast = (before: { position: ListPosition; stamp: Stamp } | null): boolean =>
    wins(stamp, before?.stamp ?? null, () => (before ? comparePositions(position, before.position) : 1));
  const at = indexOf(list.elements, id, batch);
  const element = list.elements[at];
  if (!element) {
    return keepEarlyEdit(
      list,
      id,
      (before) => (isLast(before.moved) ? { ...before, moved: { position, stamp } } : before),
      batch,
    );
  }
  if (!isLast(element.moved && { position: element.position, stamp: element.moved })) return list;
  const after = changeElementAt(list, at, { ...element, position, moved: stamp }, batch);
  noteDisplaced(after, id, batch);
  return after;
};

export const replaceElement = (
  list: List,
  id: ElementId,
  value: Value,
  stamp: Stamp,
  batch: BatchOwnership | null,
): List => {
  const isLast = (before: { value: Value; stamp: Stamp } | null): boolean =>
    wins(stamp, before?.stamp ?? null, () => (before ? compareValues(value, before.value) : 1));
  const at = indexOf(list.elements, id, batch);
  const element = list.elements[at];
  if (!element) {
    return keepEarlyEdit(
      list,
      id,
      (before) => (isLast(before.replaced) ? { ...before, replaced: { value, stamp } } : before),
      batch,
    );
  }
  if (!isLast(element.replaced && { value: element.value, stamp: element.replaced })) return list;
  return changeElementAt(list, at, { ...element, value, replaced: stamp }, batch);
};

/** Up to this number, elements are searched one by one. For more, one pass over all is as fast. */
const fewMax = 16;

const dropElements = (
  list: List,
  ids: readonly ElementId[],
  texts: ReadonlySet<string>,
  batch: BatchOwnership | null,
) => {
  if (ids.length > fewMax) {
    const left = markOwned(
      list.elements.filter(({ id }) => !texts.has(idTextOf(id))),
      batch,
    );
    const finder = batch?.finders.get(list.elements);
    if (finder) batch?.finders.set(left, { ...finder, byId: null });
    return left;
  }
  let { elements } = list;
  for (const id of ids) {
    const at = indexOf(elements, id, batch);
    if (at === -1) continue;
    const own = mutableElementsOf(elements, batch);
    own.splice(at, 1);
    batch?.finders.get(own)?.byId?.delete(idTextOf(id));
    elements = own;
  }
  return elements;
};

export const removeElements = (list: List, ids: readonly ElementId[], batch: BatchOwnership | null): List => {
  const fresh = new Map(ids.map((id) => [idTextOf(id), id] as const).filter(([text]) => !list.tombstones.has(text)));
  if (fresh.size === 0) return list;
  const tombstones = mutableMapOf(list.tombstones, batch);
  const hasEarly = [...fresh.keys()].some((text) => list.earlyEdits.has(text));
  const earlyEdits = hasEarly ? mutableMapOf(list.earlyEdits, batch) : list.earlyEdits;
  for (const [text, id] of fresh) {
    tombstones.set(text, id);
    if (hasEarly) (earlyEdits as Map<string, EarlyEdit>).delete(text);
  }
  const after = {
    elements: dropElements(list, [...fresh.values()], new Set(fresh.keys()), batch),
    earlyEdits,
    tombstones,
  };
  for (const id of fresh.values()) noteDisplaced(after, id, batch);
  return after;
};

/** Returns the latest element of a replica that was removed or moved. */
export const lastDisplacedOf = (
  { elements, tombstones }: List,
  replica: string,
  batch: BatchOwnership | null,
): ElementId | null => {
  const finder = finderOf(elements, batch);
  if (finder?.lastDisplaced) return finder.lastDisplaced.get(replica) ?? null;
  const displaced = new Map<string, ElementId>();
  const add = (id: ElementId): void => {
    const last = displaced.get(id.replica);
    if (!last || compareElementIds(id, last) > 0) displaced.set(id.replica, id);
  };
  for (const id of tombstones.values()) add(id);
  for (const { id, moved: to } of elements) if (to !== null) add(id);
  if (finder) finder.lastDisplaced = displaced;
  return displaced.get(replica) ?? null;
};

const filterMap = <T>(map: ReadonlyMap<string, T>, stays: (value: T) => boolean): ReadonlyMap<string, T> =>
  map.size === 0 ? map : new Map([...map].filter(([, value]) => stays(value)));

/** Returns the list without what was inserted up to a stamp. */
export const keepListAfter = (list: List, floor: Stamp): List => {
  const stays = (id: ElementId): boolean => isLater(id, floor);
  return {
    elements: list.elements.filter(({ id }) => stays(id)),
    earlyEdits: filterMap(list.earlyEdits, ({ id }) => stays(id)),
    tombstones: filterMap(list.tombstones, stays),
  };
};

/** Removes the default elements of earlier creates after a later create. */
export const removeOutdatedElements = (list: List, born: Stamp): List => {
  const isOver = ({ id, defaultOf }: ListElement): boolean => isOutdated(id, defaultOf, born);
  const over = list.elements.filter(isOver);
  if (over.length === 0) return list;
  const early = new Map(list.earlyEdits);
  // Their edits become early edits, as if the create had not arrived: the result is the same in either order.
  for (const { id, position, moved: to, value, replaced: by } of over) {
    if (to === null && by === null) continue;
    early.set(idTextOf(id), { id, moved: to && { position, stamp: to }, replaced: by && { value, stamp: by } });
  }
  return { ...list, elements: list.elements.filter((element) => !isOver(element)), earlyEdits: early };
};

/** Returns the list without tombstones and early edits that no future operation can refer to. */
export const forgetListTombstones = (list: List, isPast: (stamp: Stamp) => boolean): List => {
  const isNeeded = (id: ElementId): boolean => !isPast(id);
  const early = filterMap(list.earlyEdits, ({ id }) => isNeeded(id));
  const tombstones = filterMap(list.tombstones, isNeeded);
  return early.size === list.earlyEdits.size && tombstones.size === list.tombstones.size
    ? list
    : { ...list, earlyEdits: early, tombstones };
};
