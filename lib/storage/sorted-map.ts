/** Deleted keys that may stay in the sorted array: few enough to skip, and rarely enough to remove. */
const deletedKeysMax = 256;

/** A map that can also be read in the order of its keys. Each storage has its own. */
export interface SortedMap<A> {
  readonly get: (key: string) => A | undefined;
  readonly set: (key: string, value: A) => void;
  readonly delete: (key: string) => void;
  /** All keys in order. Some may have been deleted: check with `get`. Valid until the next change. */
  readonly keys: () => readonly string[];
}

/**
 * Creates a map that sorts its keys when they are read, not when they are written: logs append in order, and other keys
 * are sorted once for many writes. Deleted keys stay in the array for a while, because removing one moves all that
 * follow.
 */
export const createSortedMap = <A>(): SortedMap<A> => {
  const values = new Map<string, A>();
  const deletedKeys = new Set<string>();
  let keys: string[] = [];
  let inOrder = true;

  const set = (key: string, value: A): void => {
    const isInKeys = values.has(key) || deletedKeys.delete(key);
    values.set(key, value);
    if (isInKeys) return;
    inOrder &&= (keys.at(-1) ?? '') < key;
    keys.push(key);
  };

  const remove = (key: string): void => {
    if (values.delete(key)) deletedKeys.add(key);
  };

  const inSortedOrder = (): readonly string[] => {
    if (deletedKeys.size > deletedKeysMax + keys.length / 8) {
      keys = keys.filter((key) => !deletedKeys.has(key));
      deletedKeys.clear();
    }
    if (!inOrder) keys.sort();
    inOrder = true;
    return keys;
  };

  return { get: (key) => values.get(key), set, delete: remove, keys: inSortedOrder };
};
