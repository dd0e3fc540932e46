import type { ListElement, ElementId } from './list-element.js';
import type { Stamp } from './timestamp.js';

/**
 * An index of the elements of one list while a batch changes the list. Each part is created when it is first needed.
 */
export interface Finder {
  /**
   * The latest stamp of an element that was ever in the list. An insert with a later stamp cannot be in the list yet.
   */
  newestStamp: Stamp | null;
  /** The elements by the texts of their ids. */
  byId: Map<string, ListElement> | null;
  /** The latest removed or moved element of each replica. */
  lastDisplaced: Map<string, ElementId> | null;
}

/**
 * The arrays and maps that one batch of operations has created. The batch may change those in place, so that many
 * operations on one large list cost only what they change. After the batch, its states are shared and must not change
 * any more.
 */
export interface BatchOwnership {
  readonly owned: WeakSet<object>;
  readonly finders: WeakMap<readonly ListElement[], Finder>;
}

export const createBatchOwnership = (): BatchOwnership => ({ owned: new WeakSet(), finders: new WeakMap() });

/** Returns a map that may be changed: the given one if the batch created it, otherwise a copy. */
export const mutableMapOf = <V>(map: ReadonlyMap<string, V>, batch: BatchOwnership | null): Map<string, V> => {
  if (batch?.owned.has(map)) return map as Map<string, V>;
  const own = new Map(map);
  batch?.owned.add(own);
  return own;
};

/** Returns a record that may be changed: the given one if the batch created it, otherwise a copy. */
export const mutableRecordOf = <V>(
  record: Readonly<Record<string, V>>,
  batch: BatchOwnership | null,
): Record<string, V> => {
  if (batch?.owned.has(record)) return record;
  const own = { ...record };
  batch?.owned.add(own);
  return own;
};

/** Returns an array that may be changed: the given one if the batch created it, otherwise a copy. */
export const mutableArrayOf = <V>(array: readonly V[], batch: BatchOwnership | null): V[] => {
  if (batch?.owned.has(array)) return array as V[];
  const own = [...array];
  batch?.owned.add(own);
  return own;
};
