/** Deleted keys that may stay in the order before it is swept: few enough to step over, rare enough to cost nothing. */
const deletedKeysMax = 256;

/** A map that is also in the order of its keys. Not for sharing: one storage owns it. */
export interface SortedMap<A> {
  readonly get: (key: string) => A | undefined;
  readonly set: (key: string, value: A) => void;
  readonly delete: (key: string) => void;
  /** All keys in order, some of which may have been deleted since: `get` them. Valid until the next change. */
  readonly keys: () => readonly string[];
}

/** The place of the first key that is not below `key`. */
export const firstIndexOf = (keys: readonly string[], key: string): number => {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] ?? key) < key) low = middle + 1;
    else high = middle;
  }
  return low;
};

/**
 * Sorts when it is read, not when it is written: logs append in order anyway, and what comes out of order is sorted in
 * once for many writes. Deleted keys stay as ghosts for a while, because taking one out of an array moves all others.
 */
export const createSortedMap = <A>(): SortedMap<A> => {
  const values = new Map<string, A>();
  const ghosts = new Set<string>();
  let keys: string[] = [];
  let inOrder = true;

  const set = (key: string, value: A): void => {
    const known = values.has(key) || ghosts.delete(key);
    values.set(key, value);
    if (known) return;
    inOrder &&= (keys.at(-1) ?? '') < key;
    keys.push(key);
  };

  const remove = (key: string): void => {
    if (values.delete(key)) ghosts.add(key);
  };

  const inSortedOrder = (): readonly string[] => {
    if (ghosts.size > deletedKeysMax + keys.length / 8) {
      keys = keys.filter((key) => !ghosts.has(key));
      ghosts.clear();
    }
    if (!inOrder) keys.sort();
    inOrder = true;
    return keys;
  };

  return { get: (key) => values.get(key), set, delete: remove, keys: inSortedOrder };
};
