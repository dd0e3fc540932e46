import { findFirstIndex } from '../../model/sorted-search.js';
import type { Objects } from '../objects/objects.js';
import type { TypeChangesWithViews } from '../objects/object-change.js';
import type { View } from '../objects/object-view.js';

export type Compare = (a: View, b: View) => number;

/** A validated query. `compare` never returns 0 for two different objects. */
export interface QueryPlan {
  readonly type: string;
  readonly matches: (view: View) => boolean;
  readonly compare: Compare;
  readonly limit: number;
}

/**
 * A query result that is updated batch by batch. The cost of an update depends on the changes in the batch, not on the
 * number of objects.
 */
export interface LiveQuery {
  /** The current result. Frozen. */
  readonly result: () => readonly View[];
  /** Applies the changes of a batch. Returns whether the result may have changed. */
  readonly applyChanges: (changes: TypeChangesWithViews) => boolean;
}

/** The index of an object in a sorted array, or the index where it belongs. */
const sortedIndexOf = (sorted: readonly View[], compare: Compare, view: View): number =>
  findFirstIndex(sorted, (each) => compare(each, view) >= 0);

/** Whether rebuilding the result is faster than applying the changes, each of which moves the elements behind it. */
const isLargeChange = (changes: number, found: number): boolean => changes > 16 + found / 16;

/** The result of a query on some objects. Frozen. */
export const queryResultOf = ({ matches, compare, limit }: QueryPlan, views: readonly View[]): readonly View[] =>
  Object.freeze(views.filter(matches).sort(compare).slice(0, limit));

export const createLiveQuery = (objects: Objects, { type, matches, compare, limit }: QueryPlan): LiveQuery => {
  const all = (): View[] => objects.views(type).filter(matches).sort(compare);
  let found = all();

  /**
   * Removes a view. Returns `false` if the view was not at its index: the batch was already applied, or the predicate
   * is not pure.
   */
  const remove = (view: View): boolean => {
    const at = sortedIndexOf(found, compare, view);
    if (found[at] !== view) return false;
    found.splice(at, 1);
    return true;
  };
  const put = (view: View): void => {
    const at = sortedIndexOf(found, compare, view);
    const other = found[at];
    found.splice(at, other && compare(other, view) === 0 ? 1 : 0, view);
  };

  return {
    result: () => Object.freeze(found.slice(0, limit)),
    applyChanges: ({ inserted, modified, deleted, previousViews }) => {
      if (isLargeChange(inserted.size + modified.size + deleted.size, found.length)) {
        found = all();
        return true;
      }
      let changed = false;
      for (const keys of [deleted, modified, inserted]) {
        for (const key of keys) {
          const [was, is] = [previousViews.get(key), objects.view(type, key)];
          const matchedBefore = was !== undefined && matches(was);
          const matchesNow = is !== undefined && matches(is);
          changed ||= matchedBefore || matchesNow;
          if (matchedBefore && !remove(was)) {
            found = all();
            return true;
          }
          if (matchesNow) put(is);
        }
      }
      return changed;
    },
  };
};
