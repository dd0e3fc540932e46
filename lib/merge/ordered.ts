import { compareIds, type Element, type ElementId, idText, isSameElement } from './element.js';
import { comparePlaces } from './place.js';
import { isLater } from './stamp.js';
import type { Finder, Working } from './working.js';

/*
 * Elements in order, as a batch of operations finds and changes them: what it has made itself it changes in place, and finds by
 * what it remembers of it; what was there before it copies once.
 */

export const compareElements = (a: Element, b: Element): number =>
  comparePlaces(a.place, b.place) || compareIds(a.id, b.id);

export const made = (elements: Element[], work: Working | null): Element[] => {
  work?.made.add(elements);
  return elements;
};

/** The elements to be changed: these if the batch made them, or else a copy. */
export const ownElements = (elements: readonly Element[], work: Working | null): Element[] =>
  work?.made.has(elements) ? (elements as Element[]) : made(elements.slice(), work);

/** What finds elements of a list that the batch made; `null`: it has made none yet, and looks through all of them once. */
export const finderOf = (elements: readonly Element[], work: Working | null): Finder | null => {
  if (!work?.made.has(elements)) return null;
  const known = work.finders.get(elements);
  if (known) return known;
  const finder: Finder = { newest: null, byId: null, left: null };
  for (const { id } of elements) if (isLater(id, finder.newest)) finder.newest = id;
  work.finders.set(elements, finder);
  return finder;
};

export const byIdIn = (finder: Finder, elements: readonly Element[]): Map<string, Element> =>
  (finder.byId ??= new Map(elements.map((element) => [idText(element.id), element])));

/** The index of the first element that is not before another one. */
const indexFor = (elements: readonly Element[], wanted: Element): number => {
  let low = 0;
  let high = elements.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = elements[middle];
    if (other && compareElements(other, wanted) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
};

export const indexOf = (elements: readonly Element[], id: ElementId, work: Working | null): number => {
  const finder = finderOf(elements, work);
  if (finder === null) return elements.findIndex((each) => isSameElement(each.id, id));
  const element = byIdIn(finder, elements).get(idText(id));
  return element ? indexFor(elements, element) : -1;
};

/** Elements that are put into an array one by one: more are as quickly copied with all others. */
const spreadMax = 1_000;

/** Elements in order with some more, which are in order too: nearly always they all belong at one place. */
export const withMore = (
  elements: readonly Element[],
  more: readonly Element[],
  work: Working | null,
): readonly Element[] => {
  const [first] = more;
  const last = more.at(-1);
  if (!first || !last) return elements;
  const finder = finderOf(elements, work);
  const at = indexFor(elements, first);
  const next = elements[at];
  const isTogether = next === undefined || compareElements(last, next) < 0;
  let all = elements as Element[];
  if (work?.made.has(elements) && more.length <= spreadMax) all.splice(at, 0, ...more);
  else all = made([...elements.slice(0, at), ...more, ...elements.slice(at)], work);
  if (!isTogether) all.sort(compareElements);
  if (work && finder) {
    for (const { id } of more) if (isLater(id, finder.newest)) finder.newest = id;
    if (finder.byId) for (const element of more) finder.byId.set(idText(element.id), element);
    work.finders.set(all, finder);
  }
  return all;
};
