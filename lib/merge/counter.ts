import type { Instant } from '../model/changeset.js';
import { findFirstIndex } from '../model/sorted-search.js';
import { mutableArrayOf, type BatchOwnership } from './batch-ownership.js';
import { compareInstants, compareStamps, isLater, type Stamp } from './timestamp.js';

/**
 * Consecutive increments of one replica, as one sum. Each increment names its predecessor, so that the chain contains
 * every increment with a stamp after `after` and up to `upTo`.
 */
export interface Chain {
  readonly replica: string;
  /** `null`: the chain begins with the replica's first increment. */
  readonly after: Instant | null;
  readonly upTo: Instant;
  readonly sum: number;
}

/**
 * The increments of an object since one create. Two creates of the same object are two lives, and all their increments
 * count.
 */
export interface Life {
  readonly born: Stamp;
  /** Sorted by replica, then by time. There is one chain for each replica, unless increments are missing in between. */
  readonly chains: readonly Chain[];
}

/**
 * The increments of a counter. Each counts once, in whatever order and however often it arrives. The size depends on
 * the number of replicas, not of increments. Never changed in place.
 */
export type Counter = readonly Life[];

export interface Increment {
  /** The latest create of the object that the writer knew. */
  readonly born: Stamp;
  /** The previous increment of the writer in the same life; `null`: this is the first. */
  readonly after: Instant | null;
  readonly by: number;
}

/**
 * Adds two numbers so that the sum does not depend on the order. Beyond 2^53, where numbers are not exact, the sum
 * wraps around from the largest to the smallest.
 */
const exactSum = (a: number, b: number): number => {
  const sum = a + b;
  return Number.isSafeInteger(sum) ? sum : Number(BigInt.asIntN(54, BigInt(a) + BigInt(b)));
};

const isSame = (a: Instant | null, b: Instant | null): boolean =>
  a === b || (a !== null && b !== null && compareInstants(a, b) === 0);

/** Makes one chain of chains that follow each other. */
const connectChains = (chains: readonly Chain[]): readonly Chain[] => {
  const all: Chain[] = [];
  for (const chain of chains) {
    const last = all.at(-1);
    if (last?.replica === chain.replica && isSame(last.upTo, chain.after)) {
      all[all.length - 1] = { ...last, upTo: chain.upTo, sum: exactSum(last.sum, chain.sum) };
    } else all.push(chain);
  }
  return all;
};

const compareChains = (a: Chain, b: Chain): number =>
  a.replica === b.replica ? compareInstants(a.upTo, b.upTo) : a.replica < b.replica ? -1 : 1;

const isCounted = ({ replica, after, upTo }: Chain, stamp: Stamp): boolean =>
  replica === stamp.replica &&
  (after === null || compareInstants(stamp, after) > 0) &&
  compareInstants(stamp, upTo) <= 0;

/**
 * Adds an increment to the chains. Two copies of a replica may both have continued a chain; an increment inside another
 * chain is already counted there.
 */
const addToChains = (
  chains: readonly Chain[],
  { after, by }: Increment,
  stamp: Stamp,
  batch: BatchOwnership | null,
): readonly Chain[] | null => {
  const { time, count, replica } = stamp;
  const chain: Chain = { replica, after, upTo: { time, count }, sum: by };
  const at = findFirstIndex(chains, (each) => compareChains(each, chain) >= 0);
  const last = chains[at - 1]?.replica === replica ? chains[at - 1] : undefined;
  // The latest increment of its replica, as nearly all are: extends the last chain, or starts a new one.
  const isLatest = !last || (after !== null && compareInstants(after, last.upTo) >= 0);
  if (isLatest && chains[at]?.replica !== replica) {
    const own = mutableArrayOf(chains, batch);
    if (last && isSame(last.upTo, after)) own[at - 1] = { ...last, upTo: chain.upTo, sum: exactSum(last.sum, by) };
    else own.splice(at, 0, chain);
    return own;
  }
  const isRival = (each: Chain): boolean =>
    each.replica === replica && isSame(each.upTo, chain.upTo) && isSame(each.after, after) && each.sum < by;
  if (chains.some((each) => isCounted(each, stamp) && !isRival(each))) return null;
  const others = chains.filter((each) => !isCounted(chain, { ...each.upTo, replica: each.replica }));
  return connectChains([...others, chain].sort(compareChains));
};

/**
 * Adds an increment to a counter; `null`: nothing changed. An increment whose predecessor has a later stamp is ignored:
 * it is invalid, and its duplicates could not be detected.
 */
export const addIncrement = (
  counter: Counter,
  increment: Increment,
  stamp: Stamp,
  batch: BatchOwnership | null = null,
): Counter | null => {
  if (increment.after !== null && compareInstants(increment.after, stamp) >= 0) return null;
  const { born } = increment;
  const at = findFirstIndex(counter, (each) => compareStamps(each.born, born) >= 0);
  const found = counter[at];
  const life = found && compareStamps(found.born, born) === 0 ? found : null;
  const chains = addToChains(life?.chains ?? [], increment, stamp, batch);
  if (chains === null) return null;
  const own = mutableArrayOf(counter, batch);
  own.splice(at, life ? 1 : 0, { born, chains });
  return own;
};

/** Compares the starts of chains: the later one first, and `null`, which is before all others, last. */
const compareStarts = (a: Instant | null, b: Instant | null): number =>
  a === null || b === null ? Number(a === null) - Number(b === null) : compareInstants(b, a);

/** Compares chains so that each comes after those that it contains: by replica, end, start and sum. */
const compareExtents = (a: Chain, b: Chain): number =>
  compareChains(a, b) || compareStarts(a.after, b.after) || a.sum - b.sum;

const isOverlapping = (a: Chain, { replica, after }: Chain): boolean =>
  a.replica === replica && (after === null || compareInstants(a.upTo, after) > 0);

const isSameChain = (a: Chain, b: Chain | undefined): boolean =>
  a.replica === b?.replica && isSame(a.after, b.after) && isSame(a.upTo, b.upTo) && Object.is(a.sum, b.sum);

/**
 * Joins the chains of one life: a chain that another one contains is counted there. Chains that overlap in any other
 * way exist only with replicas that are not correct. Of those the one with the later end counts.
 */
const joinChains = (a: readonly Chain[], b: readonly Chain[]): readonly Chain[] => {
  const kept: Chain[] = [];
  for (const chain of [...a, ...b].sort(compareExtents)) {
    for (let last = kept.at(-1); last && isOverlapping(last, chain); last = kept.at(-1)) kept.pop();
    kept.push(chain);
  }
  const joined = connectChains(kept);
  return joined.length === a.length && joined.every((each, at) => isSameChain(each, a[at])) ? a : joined;
};

/**
 * Joins two states of a counter, and counts each increment once. Both have the increments of a replica in a life
 * without gaps of their own, as a history gives them. Returns `a` itself when `b` has nothing more.
 */
export const joinCounters = (a: Counter, b: Counter): Counter => {
  if (b.length === 0) return a;
  const joined: Life[] = [...a];
  for (const life of b) {
    const at = findFirstIndex(joined, (each) => compareStamps(each.born, life.born) >= 0);
    const found = joined[at];
    if (!found || compareStamps(found.born, life.born) !== 0) joined.splice(at, 0, life);
    else {
      const chains = joinChains(found.chains, life.chains);
      if (chains !== found.chains) joined[at] = { born: found.born, chains };
    }
  }
  return joined.length === a.length && joined.every((each, at) => each === a[at]) ? a : joined;
};

/** Returns the counter without the lives that began up to a stamp. */
export const keepCounterAfter = (counter: Counter, floor: Stamp): Counter =>
  counter.filter(({ born }) => isLater(born, floor));

/** Returns the sum of all increments. */
export const sumOf = (counter: Counter): number =>
  counter.reduce((sum, { chains }) => chains.reduce((sofar, chain) => exactSum(sofar, chain.sum), sum), 0);

/** Returns the last increment of a replica in a life; `null` before its first. */
export const lastIncrementOf = (counter: Counter, born: Stamp, replica: string): Instant | null => {
  const life = counter.find((each) => compareStamps(each.born, born) === 0);
  return life?.chains.findLast((chain) => chain.replica === replica)?.upTo ?? null;
};
