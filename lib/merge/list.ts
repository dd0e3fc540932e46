import type { Value } from '../model/value.js';
import { compareIds, type Element, type ElementId, idText, isSameElement } from './element.js';
import { comparePlaces, type Place } from './place.js';
import { isLater, type Stamp } from './stamp.js';

/** What came for an element whose insert has not come yet. */
export interface Early {
  readonly id: ElementId;
  readonly moved: { readonly place: Place; readonly stamp: Stamp } | null;
  readonly replaced: { readonly value: Value; readonly stamp: Stamp } | null;
}

/**
 * A list: an insert brings elements, a move gives one another place, a replacement another value, the latest one of each
 * counts, and what was removed stays so. Never changed in place: each function gives the list after it, the very same one when
 * that is no other.
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

const compareElements = (a: Element, b: Element): number => comparePlaces(a.place, b.place) || compareIds(a.id, b.id);

const indexOf = ({ elements }: List, id: ElementId): number => elements.findIndex((each) => isSameElement(each.id, id));

/** Elements in order with some more, which are in order too: nearly always they all belong at one place. */
const withMore = (elements: readonly Element[], more: readonly Element[]): readonly Element[] => {
  const [first] = more;
  const last = more.at(-1);
  if (!first || !last) return elements;
  let low = 0;
  let high = elements.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = elements[middle];
    if (other && compareElements(other, first) < 0) low = middle + 1;
    else high = middle;
  }
  const next = elements[low];
  const all = [...elements.slice(0, low), ...more, ...elements.slice(low)];
  return next === undefined || compareElements(last, next) < 0 ? all : all.sort(compareElements);
};

const without = <T>(map: ReadonlyMap<string, T>, key: string): ReadonlyMap<string, T> => {
  if (!map.has(key)) return map;
  const rest = new Map(map);
  rest.delete(key);
  return rest;
};

/** An element as it comes in: with what came for it before. */
const arrived = (id: ElementId, place: Place, value: Value, early: Early | undefined): Element => ({
  id,
  place: early?.moved?.place ?? place,
  moved: early?.moved?.stamp ?? null,
  value: early?.replaced ? early.replaced.value : value,
  replaced: early?.replaced?.stamp ?? null,
});

export const inserted = (
  list: List,
  run: readonly string[],
  keys: readonly string[],
  values: readonly Value[],
  { time, count, replica }: Stamp,
): List => {
  let { early } = list;
  const more: Element[] = [];
  keys.forEach((key, index) => {
    const id: ElementId = { time, count, replica, index };
    const text = idText(id);
    if (list.gone.has(text) || indexOf(list, id) !== -1) return;
    more.push(arrived(id, { run, key }, values[index] ?? null, early.get(text)));
    early = without(early, text);
  });
  return more.length === 0 ? list : { ...list, early, elements: withMore(list.elements, more.sort(compareElements)) };
};

const noted = (list: List, id: ElementId, change: (before: Early) => Early): List => {
  const text = idText(id);
  if (list.gone.has(text)) return list;
  const before = list.early.get(text) ?? { id, moved: null, replaced: null };
  const after = change(before);
  return after === before ? list : { ...list, early: new Map(list.early).set(text, after) };
};

export const moved = (list: List, id: ElementId, place: Place, stamp: Stamp): List => {
  const at = indexOf(list, id);
  const element = list.elements[at];
  if (!element) {
    return noted(list, id, (before) =>
      isLater(stamp, before.moved?.stamp ?? null) ? { ...before, moved: { place, stamp } } : before,
    );
  }
  if (!isLater(stamp, element.moved)) return list;
  return { ...list, elements: withMore(list.elements.toSpliced(at, 1), [{ ...element, place, moved: stamp }]) };
};

export const replaced = (list: List, id: ElementId, value: Value, stamp: Stamp): List => {
  const at = indexOf(list, id);
  const element = list.elements[at];
  if (!element) {
    return noted(list, id, (before) =>
      isLater(stamp, before.replaced?.stamp ?? null) ? { ...before, replaced: { value, stamp } } : before,
    );
  }
  if (!isLater(stamp, element.replaced)) return list;
  return { ...list, elements: list.elements.with(at, { ...element, value, replaced: stamp }) };
};

export const removed = (list: List, ids: readonly ElementId[]): List => {
  const fresh = ids.filter((id) => !list.gone.has(idText(id)));
  if (fresh.length === 0) return list;
  const gone = new Map(list.gone);
  const early = new Map(list.early);
  for (const id of fresh) {
    gone.set(idText(id), id);
    early.delete(idText(id));
  }
  return { elements: list.elements.filter(({ id }) => !gone.has(idText(id))), early, gone };
};

/** What is left of a list when all that was inserted up to a stamp has never been. */
export const listAfter = (list: List, floor: Stamp): List => {
  const stays = (id: ElementId): boolean => isLater(id, floor);
  const kept = <T>(map: ReadonlyMap<string, T>, idOf: (value: T) => ElementId): ReadonlyMap<string, T> =>
    new Map([...map].filter(([, value]) => stays(idOf(value))));
  return {
    elements: list.elements.filter(({ id }) => stays(id)),
    early: kept(list.early, ({ id }) => id),
    gone: kept(list.gone, (id) => id),
  };
};
