import { textOf, type Value } from '../../model/value.js';

/** Which elements the values of an assigned list are. */
export interface ListDifference {
  /** For each value the index of the element that it is; -1: it is a new one. */
  readonly sourceIndexes: readonly number[];
  /** For each value whether its element stays where it is. */
  readonly stays: readonly boolean[];
}

/** Pairs of equal values that are looked at: all of them, unless a value is in a long list hundreds of times. */
const pairsMax = 500_000;

/**
 * Elements that are moved: each takes an operation of some hundred bytes. Where more have other places, they are
 * removed and inserted.
 */
const movesMax = 10_000;

const nameOf = (value: Value): string => (typeof value === 'number' ? String(value) : textOf(value));

const indexesOf = (values: readonly Value[]): ReadonlyMap<string, number[]> => {
  const all = new Map<string, number[]>();
  values.forEach((value, at) => {
    const name = nameOf(value);
    const known = all.get(name);
    if (known) known.push(at);
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
 * The longest row of pairs that rises on both sides: a longest common subsequence, after Hunt and Szymanski.
 * `candidates`: the indexes for each value, falling.
 */
const findLongestChain = (count: number, candidates: (at: number) => readonly number[]): Link | undefined => {
  const ends: Link[] = []; // Of the rows of each length the one with the least end.
  for (let to = 0; to < count; to += 1) {
    for (const from of candidates(to)) {
      let low = 0;
      let high = ends.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((ends[middle]?.from ?? 0) < from) low = middle + 1;
        else high = middle;
      }
      ends[low] = { from, to, before: ends[low - 1] };
    }
  }
  return ends.at(-1);
};

/**
 * What an assignment makes of a list: of equal values as many as possible stay, the others are moved, and only what is
 * on one side alone is new or gone. Takes n log n for values that differ, and no more than `pairsMax` steps more for
 * others.
 */
export const differenceOf = (before: readonly Value[], after: readonly Value[]): ListDifference => {
  const indexes = indexesOf(before);
  const names = after.map(nameOf);
  const pairs = names.reduce((sum, name) => sum + (indexes.get(name)?.length ?? 0), 0);
  const used = new Map<string, number>();
  /** The n-th of equal values is the n-th of equal elements. */
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
