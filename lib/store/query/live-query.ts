import type { Objects, TypeChangesWithViews } from '../objects/objects.js';
import type { View } from '../objects/object-view.js';

export type Compare = (a: View, b: View) => number;

/** A query that makes sense: which objects, in which order, how many. Two objects never compare as equal. */
export interface QueryPlan {
  readonly type: string;
  readonly matches: (view: View) => boolean;
  readonly compare: Compare;
  readonly limit: number;
}

/**
 * The answer to a query, kept up from batch to batch: what a batch costs follows what it changes, not what there is.
 */
export interface LiveQuery {
  /** The answer as it stands: frozen. */
  readonly result: () => readonly View[];
  /** Takes what a batch changed. Says whether the answer may be another one. */
  readonly applyChanges: (changes: TypeChangesWithViews) => boolean;
}

/** Where an object is in what is sorted, or where it has to be. */
const sortedIndexOf = (sorted: readonly View[], compare: Compare, view: View): number => {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = sorted[middle];
    if (other && compare(other, view) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** So many changes are quicker to take from scratch: each moves what is behind it. */
const isLargeChange = (changes: number, found: number): boolean => changes > 16 + found / 16;

/** The answer to a query on some objects, once: frozen. */
export const queryResultOf = ({ matches, compare, limit }: QueryPlan, views: readonly View[]): readonly View[] =>
  Object.freeze(views.filter(matches).sort(compare).slice(0, limit));

export const createLiveQuery = (objects: Objects, { type, matches, compare, limit }: QueryPlan): LiveQuery => {
  const all = (): View[] => objects.views(type).filter(matches).sort(compare);
  let found = all();

  /**
   * Whether it was where it has to be. It is not when its batch was already seen, or the predicate changed its mind.
   */
  const removed = (view: View): boolean => {
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
          const left = was !== undefined && matches(was);
          const came = is !== undefined && matches(is);
          changed ||= left || came;
          if (left && !removed(was)) {
            found = all();
            return true;
          }
          if (came) put(is);
        }
      }
      return changed;
    },
  };
};
