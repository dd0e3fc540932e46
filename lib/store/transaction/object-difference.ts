import { findFirstIndex } from '../../model/sorted-search.js';
import { textOf, type Value } from '../../model/value.js';

/** Matches the values of an assigned list with existing elements. */
export interface ListDifference {
  /** For each value, the index of its element; -1 for a new value. */
  readonly sourceIndexes: readonly number[];
  /** For each value, whether its element keeps its position. */
  readonly stays: readonly boolean[];
}

/**
 * Maximum number of equal pairs that are compared. Exceeded only if a value occurs hundreds of times in a long list.
 */
const pairsMax = 500_000;

/**
 * Maximum number of moved elements: each move takes an operation of some hundred bytes. Above it, the elements are
 * removed and inserted.
 */
const movesMax = 10_000;

const nameOf = (value: Value): string => (typeof value === 'number' ? String(value) : textOf(value));

const indexesOf = (values: readonly Value[]): ReadonlyMap<string, number[]> => {
  const all = new Map<string, number[]>();
  values.forEach((value, at) => {
    const name = nameOf(value);
    const found = all.get(name);
    if (found) found.push(at);
    else all.set(name, [at]);
  });
  return all;
};

interface Link {
  readonly from: number;
  readonly to: number;
  readonly before: Link | undefined;
}

/**
 * Finds a longest common subsequence (Hunt and Szymanski). `candidates` returns the indexes for each value in
 * descending order.
 */
const findLongestChain = (count: number, candidates: (at: number) => readonly number[]): Link | undefined => {
  const ends: Link[] = []; // For each length, the chain that ends at the smallest index.
  for (let to = 0; to < count; to += 1) {
    for (const from of candidates(to)) {
      const length = findFirstIndex(ends, (end) => end.from >= from);
      ends[length] = { from, to, before: ends[length - 1] };
    }
  }
  return ends.at(-1);
};

/**
 * Computes the difference between two lists. Of equal values as many as possible keep their positions, the others are
 * moved, and only values that one of the lists lacks are inserted or removed. Takes O(n log n) steps for distinct
 * values, and at most `pairsMax` more for others.
 */
export const differenceOf = (before: readonly Value[], after: readonly Value[]): ListDifference => {
  const indexes = indexesOf(before);
  const names = after.map(nameOf);
  const pairs = names.reduce((sum, name) => sum + (indexes.get(name)?.length ?? 0), 0);
  const used = new Map<string, number>();
  /** Pairs the n-th of equal values with the n-th of equal elements. */
  const next = (name: string): number | undefined => {
    const at = used.get(name) ?? 0;
    used.set(name, at + 1);
    return indexes.get(name)?.[at];
  };
  const falling = new Map([...indexes].map(([name, all]) => [name, all.toReversed()]));
  const candidates = (at: number): readonly number[] => {
    const name = names[at] ?? '';
    if (pairs <= pairsMax) return falling.get(name) ?? [];
    const one = next(name);
    return one === undefined ? [] : [one];
  };
  const from = after.map(() => -1);
  const stays = after.map(() => false);
  const taken = new Set<number>();
  for (let link = findLongestChain(after.length, candidates); link; link = link.before) {
    from[link.to] = link.from;
    stays[link.to] = true;
    taken.add(link.from);
  }
  const free = new Map([...indexes].map(([name, all]) => [name, all.filter((at) => !taken.has(at)).toReversed()]));
  const moves = names.flatMap((name, to) => (stays[to] ? [] : [[to, free.get(name)?.pop() ?? -1] as const]));
  if (moves.filter(([, at]) => at !== -1).length <= movesMax) for (const [to, at] of moves) from[to] = at;
  return { sourceIndexes: from, stays };
};
