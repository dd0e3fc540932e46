/**
 * Returns the index of the first element for which `isFrom` holds; the length when `isFrom` never holds. The array is
 * sorted so that `isFrom` holds for all later elements.
 */
export const findFirstIndex = <V>(all: readonly V[], isFrom: (each: V) => boolean): number => {
  let [low, high] = [0, all.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isFrom(all[middle] as V)) high = middle;
    else low = middle + 1;
  }
  return low;
};
