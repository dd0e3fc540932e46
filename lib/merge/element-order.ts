import { findFirstIndex } from '../model/sorted-search.js';
import { compareElementIds, type ListElement, type ElementId, idTextOf, isSameElement } from './list-element.js';
import { comparePositions } from './list-position.js';
import { isLater } from './timestamp.js';
import type { Finder, BatchOwnership } from './batch-ownership.js';

/*
 * Finds and changes sorted elements during a batch of operations. Arrays that the batch created are changed in place
 * and found by an index; earlier arrays are copied once.
 */

export const compareElements = (a: ListElement, b: ListElement): number =>
  comparePositions(a.position, b.position) || compareElementIds(a.id, b.id);

export const markOwned = (elements: ListElement[], batch: BatchOwnership | null): ListElement[] => {
  batch?.owned.add(elements);
  return elements;
};

/** Returns elements that may be changed: the given array if the batch created it, otherwise a copy. */
export const mutableElementsOf = (elements: readonly ListElement[], batch: BatchOwnership | null): ListElement[] =>
  batch?.owned.has(elements) ? (elements as ListElement[]) : markOwned(elements.slice(), batch);

/**
 * Returns the index of a list that the batch created; `null`: the batch has not created it, and searches all elements
 * once.
 */
export const finderOf = (elements: readonly ListElement[], batch: BatchOwnership | null): Finder | null => {
  if (!batch?.owned.has(elements)) return null;
  const cached = batch.finders.get(elements);
  if (cached) return cached;
  const finder: Finder = { newestStamp: null, byId: null, lastDisplaced: null };
  for (const { id } of elements) if (isLater(id, finder.newestStamp)) finder.newestStamp = id;
  batch.finders.set(elements, finder);
  return finder;
};

export const elementsByIdOf = (finder: Finder, elements: readonly ListElement[]): Map<string, ListElement> =>
  (finder.byId ??= new Map(elements.map((element) => [idTextOf(element.id), element])));

/** Returns the index of the first element that is not before another one. */
const insertionIndexOf = (elements: readonly ListElement[], element: ListElement): number =>
  findFirstIndex(elements, (each) => compareElements(each, element) >= 0);

export const indexOf = (elements: readonly ListElement[], id: ElementId, batch: BatchOwnership | null): number => {
  const finder = finderOf(elements, batch);
  if (finder === null) return elements.findIndex((each) => isSameElement(each.id, id));
  const element = elementsByIdOf(finder, elements).get(idTextOf(id));
  return element ? insertionIndexOf(elements, element) : -1;
};

/** Up to this number, elements are inserted one by one. For more, copying the array is as fast. */
const spreadMax = 1_000;

/** Inserts sorted elements into sorted elements. Nearly always they all belong at one position. */
export const insertSorted = (
  elements: readonly ListElement[],
  more: readonly ListElement[],
  batch: BatchOwnership | null,
): readonly ListElement[] => {
  const [first] = more;
  const last = more.at(-1);
  if (!first || !last) return elements;
  const finder = finderOf(elements, batch);
  const at = insertionIndexOf(elements, first);
  const next = elements[at];
  const isTogether = next === undefined || compareElements(last, next) < 0;
  let all = elements as ListElement[];
  if (batch?.owned.has(elements) && more.length <= spreadMax) all.splice(at, 0, ...more);
  else all = markOwned([...elements.slice(0, at), ...more, ...elements.slice(at)], batch);
  if (!isTogether) all.sort(compareElements);
  if (batch && finder) {
    for (const { id } of more) if (isLater(id, finder.newestStamp)) finder.newestStamp = id;
    if (finder.byId) for (const element of more) finder.byId.set(idTextOf(element.id), element);
    batch.finders.set(all, finder);
  }
  return all;
};
