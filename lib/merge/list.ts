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

/** What came for an element whose insert has not come yet. */
export interface EarlyEdit {
  readonly id: ElementId;
  readonly moved: { readonly position: ListPosition; readonly stamp: Stamp } | null;
  readonly replaced: { readonly value: Value; readonly stamp: Stamp } | null;
}

/**
 * A list: an insert brings elements, a move gives one another place, a replacement another value, the latest one of
 * each counts, and what was removed stays so. Each function gives the list after it, the very same one when that is no
 * other; what `work` has made is changed in place, and nothing else.
 */
export interface List {
  /** In order. */
  readonly elements: readonly ListElement[];
  /** By the text of their ids. */
  readonly earlyEdits: ReadonlyMap<string, EarlyEdit>;
  /** What was removed, by the text of their ids: its insert may come again, or only now. */
  readonly tombstones: ReadonlyMap<string, ElementId>;
}

export const emptyList: List = { elements: [], earlyEdits: new Map(), tombstones: new Map() };

export const isEmptyList = ({ elements, earlyEdits, tombstones }: List): boolean =>
  elements.length === 0 && earlyEdits.size === 0 && tombstones.size === 0;

/** The elements of one insert that are there already, by their indexes. */
const findInserted = (
  { elements }: List,
  keys: number,
  stamp: Stamp,
  work: BatchOwnership | null,
): Map<number, ListElement> => {
  const found = new Map<number, ListElement>();
  const finder = finderOf(elements, work);
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

/** An element as it comes in: with what came for it before. */
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
 * An element that is inserted again with something else, which no honest replica does: the greater one, whichever came
 * first.
 */
const mergeDuplicate = (before: ListElement, { position, value }: ListElement): ListElement => {
  const isPlaced = before.moved === null && comparePositions(position, before.position) > 0;
  const isValued = before.replaced === null && compareValues(value, before.value) > 0;
  if (!isPlaced && !isValued) return before;
  return { ...before, position: isPlaced ? position : before.position, value: isValued ? value : before.value };
};

/** A list in which an element that is at an index is another one, maybe elsewhere. */
const changeElementAt = (list: List, at: number, element: ListElement, work: BatchOwnership | null): List => {
  const elements = mutableElementsOf(list.elements, work);
  const isMoved = elements[at]?.position !== element.position;
  if (!isMoved) {
    elements[at] = element;
    work?.finders.get(elements)?.byId?.set(idTextOf(element.id), element);
    return { ...list, elements };
  }
  elements.splice(at, 1);
  return { ...list, elements: insertSorted(elements, [element], work) };
};

export const insertElements = (list: List, operation: Insert, stamp: Stamp, work: BatchOwnership | null): List => {
  const { run, keys, values, indexes, defaultOf = 0 } = operation;
  const { time, count, replica } = stamp;
  const known = findInserted(list, indexes ? 0 : keys.length, stamp, work);
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
      if (other !== before) after = changeElementAt(after, indexOf(after.elements, id, work), other, work);
      return;
    }
    const text = hasText ? idTextOf(id) : '';
    if (hasText && list.tombstones.has(text)) return;
    const early = hasText ? after.earlyEdits.get(text) : undefined;
    more.push(applyEarlyEdit(element, early));
    if (early) {
      const rest = mutableMapOf(after.earlyEdits, work);
      rest.delete(text);
      after = { ...after, earlyEdits: rest };
    }
  });
  if (more.length === 0) return after;
  return { ...after, elements: insertSorted(after.elements, more.sort(compareElements), work) };
};

const keepEarlyEdit = (
  list: List,
  id: ElementId,
  change: (before: EarlyEdit) => EarlyEdit,
  work: BatchOwnership | null,
): List => {
  const text = idTextOf(id);
  if (list.tombstones.has(text)) return list;
  const before = list.earlyEdits.get(text) ?? { id, moved: null, replaced: null };
  const after = change(before);
  return after === before ? list : { ...list, earlyEdits: mutableMapOf(list.earlyEdits, work).set(text, after) };
};

const noteDisplaced = ({ elements }: List, id: ElementId, work: BatchOwnership | null): void => {
  const left = work?.finders.get(elements)?.lastDisplaced;
  const last = left?.get(id.replica);
  if (left && (!last || compareElementIds(id, last) > 0)) left.set(id.replica, id);
};

export const moveElement = (
  list: List,
  id: ElementId,
  position: ListPosition,
  stamp: Stamp,
  work: BatchOwnership | null,
): List => {
  const isLast = (before: { position: ListPosition; stamp: Stamp } | null): boolean =>
    wins(stamp, before?.stamp ?? null, () => (before ? comparePositions(position, before.position) : 1));
  const at = indexOf(list.elements, id, work);
  const element = list.elements[at];
  if (!element) {
    return keepEarlyEdit(
      list,
      id,
      (before) => (isLast(before.moved) ? { ...before, moved: { position, stamp } } : before),
      work,
    );
  }
  if (!isLast(element.moved && { position: element.position, stamp: element.moved })) return list;
  const after = changeElementAt(list, at, { ...element, position, moved: stamp }, work);
  noteDisplaced(after, id, work);
  return after;
};

export const replaceElement = (
  list: List,
  id: ElementId,
  value: Value,
  stamp: Stamp,
  work: BatchOwnership | null,
): List => {
  const isLast = (before: { value: Value; stamp: Stamp } | null): boolean =>
    wins(stamp, before?.stamp ?? null, () => (before ? compareValues(value, before.value) : 1));
  const at = indexOf(list.elements, id, work);
  const element = list.elements[at];
  if (!element) {
    return keepEarlyEdit(
      list,
      id,
      (before) => (isLast(before.replaced) ? { ...before, replaced: { value, stamp } } : before),
      work,
    );
  }
  if (!isLast(element.replaced && { value: element.value, stamp: element.replaced })) return list;
  return changeElementAt(list, at, { ...element, value, replaced: stamp }, work);
};

/** Elements that are looked for one by one: more are as quickly found by looking at all. */
const fewMax = 16;

const dropElements = (
  list: List,
  ids: readonly ElementId[],
  texts: ReadonlySet<string>,
  work: BatchOwnership | null,
) => {
  if (ids.length > fewMax) {
    const left = markOwned(
      list.elements.filter(({ id }) => !texts.has(idTextOf(id))),
      work,
    );
    const finder = work?.finders.get(list.elements);
    if (finder) work?.finders.set(left, { ...finder, byId: null });
    return left;
  }
  let { elements } = list;
  for (const id of ids) {
    const at = indexOf(elements, id, work);
    if (at === -1) continue;
    const own = mutableElementsOf(elements, work);
    own.splice(at, 1);
    work?.finders.get(own)?.byId?.delete(idTextOf(id));
    elements = own;
  }
  return elements;
};

export const removeElements = (list: List, ids: readonly ElementId[], work: BatchOwnership | null): List => {
  const fresh = new Map(ids.map((id) => [idTextOf(id), id] as const).filter(([text]) => !list.tombstones.has(text)));
  if (fresh.size === 0) return list;
  const tombstones = mutableMapOf(list.tombstones, work);
  const hasEarly = [...fresh.keys()].some((text) => list.earlyEdits.has(text));
  const earlyEdits = hasEarly ? mutableMapOf(list.earlyEdits, work) : list.earlyEdits;
  for (const [text, id] of fresh) {
    tombstones.set(text, id);
    if (hasEarly) (earlyEdits as Map<string, EarlyEdit>).delete(text);
  }
  const after = {
    elements: dropElements(list, [...fresh.values()], new Set(fresh.keys()), work),
    earlyEdits,
    tombstones,
  };
  for (const id of fresh.values()) noteDisplaced(after, id, work);
  return after;
};

/** The latest element of a replica that has left the place at which it was inserted: removed, or moved. */
export const lastDisplacedOf = (
  { elements, tombstones }: List,
  replica: string,
  work: BatchOwnership | null,
): ElementId | null => {
  const finder = finderOf(elements, work);
  if (finder?.lastDisplaced) return finder.lastDisplaced.get(replica) ?? null;
  const left = new Map<string, ElementId>();
  const see = (id: ElementId): void => {
    const last = left.get(id.replica);
    if (!last || compareElementIds(id, last) > 0) left.set(id.replica, id);
  };
  for (const id of tombstones.values()) see(id);
  for (const { id, moved: to } of elements) if (to !== null) see(id);
  if (finder) finder.lastDisplaced = left;
  return left.get(replica) ?? null;
};

const filterMap = <T>(map: ReadonlyMap<string, T>, stays: (value: T) => boolean): ReadonlyMap<string, T> =>
  map.size === 0 ? map : new Map([...map].filter(([, value]) => stays(value)));

/** What is left of a list when all that was inserted up to a stamp has never been. */
export const keepListAfter = (list: List, floor: Stamp): List => {
  const stays = (id: ElementId): boolean => isLater(id, floor);
  return {
    elements: list.elements.filter(({ id }) => stays(id)),
    earlyEdits: filterMap(list.earlyEdits, ({ id }) => stays(id)),
    tombstones: filterMap(list.tombstones, stays),
  };
};

/** What is left of a list when its object was created later: not what an earlier create began it with. */
export const removeOutdatedElements = (list: List, born: Stamp): List => {
  const isOver = ({ id, defaultOf }: ListElement): boolean => isOutdated(id, defaultOf, born);
  const over = list.elements.filter(isOver);
  if (over.length === 0) return list;
  const early = new Map(list.earlyEdits);
  // As if they had not come yet: in the other order that is what is known of them.
  for (const { id, position, moved: to, value, replaced: by } of over) {
    if (to === null && by === null) continue;
    early.set(idTextOf(id), { id, moved: to && { position, stamp: to }, replaced: by && { value, stamp: by } });
  }
  return { ...list, elements: list.elements.filter((element) => !isOver(element)), earlyEdits: early };
};

/** What a list still needs when nothing that is stamped so comes any more: what was removed from it is forgotten. */
export const forgetListTombstones = (list: List, isPast: (stamp: Stamp) => boolean): List => {
  const isNeeded = (id: ElementId): boolean => !isPast(id);
  const early = filterMap(list.earlyEdits, ({ id }) => isNeeded(id));
  const gone = filterMap(list.tombstones, isNeeded);
  return early.size === list.earlyEdits.size && gone.size === list.tombstones.size
    ? list
    : { ...list, earlyEdits: early, tombstones: gone };
};
