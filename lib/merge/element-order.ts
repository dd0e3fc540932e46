import { compareElementIds, type ListElement, type ElementId, idTextOf, isSameElement } from './list-element.js';
import { comparePositions } from './list-position.js';
import { isLater } from './timestamp.js';
import type { Finder, BatchOwnership } from './batch-ownership.js';

/*
 * Elements in order, as a batch of operations finds and changes them: what it has made itself it changes in place, and finds by
 * what it remembers of it; what was there before it copies once.
 */

export const compareElements = (a: ListElement, b: ListElement): number =>
  comparePositions(a.position, b.position) || compareElementIds(a.id, b.id);

export const markOwned = (elements: ListElement[], work: BatchOwnership | null): ListElement[] => {
  work?.owned.add(elements);
  return elements;
};

/** The elements to be changed: these if the batch made them, or else a copy. */
export const mutableElementsOf = (elements: readonly ListElement[], work: BatchOwnership | null): ListElement[] =>
  work?.owned.has(elements) ? (elements as ListElement[]) : markOwned(elements.slice(), work);

/**
 * What finds elements of a list that the batch made; `null`: it has made none yet, and looks through all of them once.
 */
export const finderOf = (elements: readonly ListElement[], work: BatchOwnership | null): Finder | null => {
  if (!work?.owned.has(elements)) return null;
  const known = work.finders.get(elements);
  if (known) return known;
  const finder: Finder = { newestStamp: null, byId: null, lastDisplaced: null };
  for (const { id } of elements) if (isLater(id, finder.newestStamp)) finder.newestStamp = id;
  work.finders.set(elements, finder);
  return finder;
};

export const elementsByIdOf = (finder: Finder, elements: readonly ListElement[]): Map<string, ListElement> =>
  (finder.byId ??= new Map(elements.map((element) => [idTextOf(element.id), element])));

/** The index of the first element that is not before another one. */
const insertionIndexOf = (elements: readonly ListElement[], wanted: ListElement): number => {
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

export const indexOf = (elements: readonly ListElement[], id: ElementId, work: BatchOwnership | null): number => {
  const finder = finderOf(elements, work);
  if (finder === null) return elements.findIndex((each) => isSameElement(each.id, id));
  const element = elementsByIdOf(finder, elements).get(idTextOf(id));
  return element ? insertionIndexOf(elements, element) : -1;
};

/** Elements that are put into an array one by one: more are as quickly copied with all others. */
const spreadMax = 1_000;

/** Elements in order with some more, which are in order too: nearly always they all belong at one place. */
export const insertSorted = (
  elements: readonly ListElement[],
  more: readonly ListElement[],
  work: BatchOwnership | null,
): readonly ListElement[] => {
  const [first] = more;
  const last = more.at(-1);
  if (!first || !last) return elements;
  const finder = finderOf(elements, work);
  const at = insertionIndexOf(elements, first);
  const next = elements[at];
  const isTogether = next === undefined || compareElements(last, next) < 0;
  let all = elements as ListElement[];
  if (work?.owned.has(elements) && more.length <= spreadMax) all.splice(at, 0, ...more);
  else all = markOwned([...elements.slice(0, at), ...more, ...elements.slice(at)], work);
  if (!isTogether) all.sort(compareElements);
  if (work && finder) {
    for (const { id } of more) if (isLater(id, finder.newestStamp)) finder.newestStamp = id;
    if (finder.byId) for (const element of more) finder.byId.set(idTextOf(element.id), element);
    work.finders.set(all, finder);
  }
  return all;
};
