import type { ListElement, ElementId } from './list-element.js';
import type { Stamp } from './timestamp.js';

/** Finds elements of one list that is being changed. Each part is made when it is first needed. */
export interface Finder {
  /** The latest stamp of an element that was ever in the list: what is inserted later cannot be there yet. */
  newestStamp: Stamp | null;
  /** The elements by the texts of their ids. */
  byId: Map<string, ListElement> | null;
  /** By replica, its latest element that was removed or moved. */
  lastDisplaced: Map<string, ElementId> | null;
}

/**
 * The arrays and maps that one batch of operations has made. The batch may change those in place, so that many
 * operations on one large list cost what they change. When the batch is over, its states are shared and nothing may
 * change them any more.
 */
export interface BatchOwnership {
  readonly owned: WeakSet<object>;
  readonly finders: WeakMap<readonly ListElement[], Finder>;
}

export const createBatchOwnership = (): BatchOwnership => ({ owned: new WeakSet(), finders: new WeakMap() });

/** A map that may be changed: this one if the batch made it, or else a copy. */
export const mutableMapOf = <V>(map: ReadonlyMap<string, V>, work: BatchOwnership | null): Map<string, V> => {
  if (work?.owned.has(map)) return map as Map<string, V>;
  const own = new Map(map);
  work?.owned.add(own);
  return own;
};

/** A record that may be changed: this one if the batch made it, or else a copy. */
export const mutableRecordOf = <V>(
  record: Readonly<Record<string, V>>,
  work: BatchOwnership | null,
): Record<string, V> => {
  if (work?.owned.has(record)) return record;
  const own = { ...record };
  work?.owned.add(own);
  return own;
};

/** An array that may be changed: this one if the batch made it, or else a copy. */
export const mutableArrayOf = <V>(array: readonly V[], work: BatchOwnership | null): V[] => {
  if (work?.owned.has(array)) return array as V[];
  const own = [...array];
  work?.owned.add(own);
  return own;
};

/**
 * The index of the first of some that are in order for which this holds, as it does for all that follow; their number:
 * for none.
 */
export const findFirstIndex = <V>(all: readonly V[], isFrom: (each: V) => boolean): number => {
  let [from, to] = [0, all.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (isFrom(all[middle] as V)) to = middle;
    else from = middle + 1;
  }
  return from;
};
