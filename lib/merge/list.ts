import { compareValues, type Value } from '../model/value.js';
import { compareIds, type Element, type ElementId, idText, isOutdated } from './element.js';
import type { Insert } from './operation.js';
import { byIdIn, compareElements, finderOf, indexOf, made, ownElements, withMore } from './ordered.js';
import { comparePlaces, type Place } from './place.js';
import { compareStamps, isLater, type Stamp, wins } from './stamp.js';
import { ownMap, type Working } from './working.js';

/** What came for an element whose insert has not come yet. */
export interface Early {
  readonly id: ElementId;
  readonly moved: { readonly place: Place; readonly stamp: Stamp } | null;
  readonly replaced: { readonly value: Value; readonly stamp: Stamp } | null;
}

/**
 * A list: an insert brings elements, a move gives one another place, a replacement another value, the latest one of each
 * counts, and what was removed stays so. Each function gives the list after it, the very same one when that is no other; what
 * `work` has made is changed in place, and nothing else.
 */
export interface List {
  /** In order. */
  readonly elements: readonly Element[];
  /** By the text of their ids. */
  readonly early: ReadonlyMap<string, Early>;
  /** What was removed, by the text of their ids: its insert may come again, or only now. */
  readonly gone: ReadonlyMap<string, ElementId>;
}

export const noList: List = { elements: [], early: new Map(), gone: new Map() };

export const isNoList = ({ elements, early, gone }: List): boolean =>
  elements.length === 0 && early.size === 0 && gone.size === 0;

/** The elements of one insert that are there already, by their indexes. */
const insertedBy = ({ elements }: List, keys: number, stamp: Stamp, work: Working | null): Map<number, Element> => {
  const found = new Map<number, Element>();
  const finder = finderOf(elements, work);
  if (finder && isLater(stamp, finder.newest)) return found;
  if (finder && keys === 1) {
    const byId = byIdIn(finder, elements);
    const { time, count, replica } = stamp;
    const element = byId.get(idText({ time, count, replica, index: 0 }));
    if (element) found.set(0, element);
    return found;
  }
  for (const element of elements) if (compareStamps(element.id, stamp) === 0) found.set(element.id.index, element);
  return found;
};

/** An element as it comes in: with what came for it before. */
const arrived = (element: Element, early: Early | undefined): Element =>
  early === undefined
    ? element
    : {
        ...element,
        place: early.moved?.place ?? element.place,
        moved: early.moved?.stamp ?? null,
        value: early.replaced ? early.replaced.value : element.value,
        replaced: early.replaced?.stamp ?? null,
      };

/** An element that is inserted again with something else, which no honest replica does: the greater one, whichever came first. */
const twice = (before: Element, { place, value }: Element): Element => {
  const isPlaced = before.moved === null && comparePlaces(place, before.place) > 0;
  const isValued = before.replaced === null && compareValues(value, before.value) > 0;
  if (!isPlaced && !isValued) return before;
  return { ...before, place: isPlaced ? place : before.place, value: isValued ? value : before.value };
};

/** A list in which an element that is at an index is another one, maybe elsewhere. */
const changedAt = (list: List, at: number, element: Element, work: Working | null): List => {
  const elements = ownElements(list.elements, work);
  const isMoved = elements[at]?.place !== element.place;
  if (!isMoved) {
    elements[at] = element;
    work?.finders.get(elements)?.byId?.set(idText(element.id), element);
    return { ...list, elements };
  }
  elements.splice(at, 1);
  return { ...list, elements: withMore(elements, [element], work) };
};

export const inserted = (list: List, operation: Insert, stamp: Stamp, work: Working | null): List => {
  const { run, keys, values, indexes, defaultOf = 0 } = operation;
  const { time, count, replica } = stamp;
  const known = insertedBy(list, indexes ? 0 : keys.length, stamp, work);
  const hasText = list.gone.size > 0 || list.early.size > 0;
  const more: Element[] = [];
  let after = list;
  keys.forEach((key, at) => {
    const id: ElementId = { time, count, replica, index: indexes?.[at] ?? at };
    const value = values[at] ?? null;
    const element: Element = { id, place: { run, key }, moved: null, value, replaced: null, defaultOf };
    const before = known.get(id.index);
    if (before) {
      const other = twice(before, element);
      if (other !== before) after = changedAt(after, indexOf(after.elements, id, work), other, work);
      return;
    }
    const text = hasText ? idText(id) : '';
    if (hasText && list.gone.has(text)) return;
    const early = hasText ? after.early.get(text) : undefined;
    more.push(arrived(element, early));
    if (early) {
      const rest = ownMap(after.early, work);
      rest.delete(text);
      after = { ...after, early: rest };
    }
  });
  if (more.length === 0) return after;
  return { ...after, elements: withMore(after.elements, more.sort(compareElements), work) };
};

const noted = (list: List, id: ElementId, change: (before: Early) => Early, work: Working | null): List => {
  const text = idText(id);
  if (list.gone.has(text)) return list;
  const before = list.early.get(text) ?? { id, moved: null, replaced: null };
  const after = change(before);
  return after === before ? list : { ...list, early: ownMap(list.early, work).set(text, after) };
};

const noteLeft = ({ elements }: List, id: ElementId, work: Working | null): void => {
  const left = work?.finders.get(elements)?.left;
  const last = left?.get(id.replica);
  if (left && (!last || compareIds(id, last) > 0)) left.set(id.replica, id);
};

export const moved = (list: List, id: ElementId, place: Place, stamp: Stamp, work: Working | null): List => {
  const isLast = (before: { place: Place; stamp: Stamp } | null): boolean =>
    wins(stamp, before?.stamp ?? null, () => (before ? comparePlaces(place, before.place) : 1));
  const at = indexOf(list.elements, id, work);
  const element = list.elements[at];
  if (!element) {
    return noted(list, id, (before) => (isLast(before.moved) ? { ...before, moved: { place, stamp } } : before), work);
  }
  if (!isLast(element.moved && { place: element.place, stamp: element.moved })) return list;
  const after = changedAt(list, at, { ...element, place, moved: stamp }, work);
  noteLeft(after, id, work);
  return after;
};

export const replaced = (list: List, id: ElementId, value: Value, stamp: Stamp, work: Working | null): List => {
  const isLast = (before: { value: Value; stamp: Stamp } | null): boolean =>
    wins(stamp, before?.stamp ?? null, () => (before ? compareValues(value, before.value) : 1));
  const at = indexOf(list.elements, id, work);
  const element = list.elements[at];
  if (!element) {
    return noted(
      list,
      id,
      (before) => (isLast(before.replaced) ? { ...before, replaced: { value, stamp } } : before),
      work,
    );
  }
  if (!isLast(element.replaced && { value: element.value, stamp: element.replaced })) return list;
  return changedAt(list, at, { ...element, value, replaced: stamp }, work);
};

/** Elements that are looked for one by one: more are as quickly found by looking at all. */
const fewMax = 16;

const without = (list: List, ids: readonly ElementId[], texts: ReadonlySet<string>, work: Working | null) => {
  if (ids.length > fewMax) {
    const left = made(
      list.elements.filter(({ id }) => !texts.has(idText(id))),
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
    const own = ownElements(elements, work);
    own.splice(at, 1);
    work?.finders.get(own)?.byId?.delete(idText(id));
    elements = own;
  }
  return elements;
};

export const removed = (list: List, ids: readonly ElementId[], work: Working | null): List => {
  const fresh = new Map(ids.map((id) => [idText(id), id] as const).filter(([text]) => !list.gone.has(text)));
  if (fresh.size === 0) return list;
  const gone = ownMap(list.gone, work);
  const hasEarly = [...fresh.keys()].some((text) => list.early.has(text));
  const early = hasEarly ? ownMap(list.early, work) : list.early;
  for (const [text, id] of fresh) {
    gone.set(text, id);
    if (hasEarly) (early as Map<string, Early>).delete(text);
  }
  const after = { elements: without(list, [...fresh.values()], new Set(fresh.keys()), work), early, gone };
  for (const id of fresh.values()) noteLeft(after, id, work);
  return after;
};

/** The latest element of a replica that has left the place at which it was inserted: removed, or moved. */
export const lastLeft = ({ elements, gone }: List, replica: string, work: Working | null): ElementId | null => {
  const finder = finderOf(elements, work);
  if (finder?.left) return finder.left.get(replica) ?? null;
  const left = new Map<string, ElementId>();
  const see = (id: ElementId): void => {
    const last = left.get(id.replica);
    if (!last || compareIds(id, last) > 0) left.set(id.replica, id);
  };
  for (const id of gone.values()) see(id);
  for (const { id, moved: to } of elements) if (to !== null) see(id);
  if (finder) finder.left = left;
  return left.get(replica) ?? null;
};

const keptIn = <T>(map: ReadonlyMap<string, T>, stays: (value: T) => boolean): ReadonlyMap<string, T> =>
  map.size === 0 ? map : new Map([...map].filter(([, value]) => stays(value)));

/** What is left of a list when all that was inserted up to a stamp has never been. */
export const listAfter = (list: List, floor: Stamp): List => {
  const stays = (id: ElementId): boolean => isLater(id, floor);
  return {
    elements: list.elements.filter(({ id }) => stays(id)),
    early: keptIn(list.early, ({ id }) => stays(id)),
    gone: keptIn(list.gone, stays),
  };
};

/** What is left of a list when its object was created later: not what an earlier create began it with. */
export const listSince = (list: List, born: Stamp): List => {
  const isOver = ({ id, defaultOf }: Element): boolean => isOutdated(id, defaultOf, born);
  const over = list.elements.filter(isOver);
  if (over.length === 0) return list;
  const early = new Map(list.early);
  // As if they had not come yet: in the other order that is what is known of them.
  for (const { id, place, moved: to, value, replaced: by } of over) {
    if (to === null && by === null) continue;
    early.set(idText(id), { id, moved: to && { place, stamp: to }, replaced: by && { value, stamp: by } });
  }
  return { ...list, elements: list.elements.filter((element) => !isOver(element)), early };
};

/** What a list still needs when nothing that is stamped so comes any more: what was removed from it is forgotten. */
export const listWithout = (list: List, isPast: (stamp: Stamp) => boolean): List => {
  const isNeeded = (id: ElementId): boolean => !isPast(id);
  const early = keptIn(list.early, ({ id }) => isNeeded(id));
  const gone = keptIn(list.gone, isNeeded);
  return early.size === list.early.size && gone.size === list.gone.size ? list : { ...list, early, gone };
};
