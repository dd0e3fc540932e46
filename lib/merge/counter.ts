import type { Instant } from '../model/changeset.js';
import { findFirstIndex, mutableArrayOf, type BatchOwnership } from './batch-ownership.js';
import { compareInstants, compareStamps, isLater, type Stamp } from './timestamp.js';

/**
 * Increments that one replica made one after the other: each says which one was before it, so that a chain stands for
 * all of them. What is stamped after `after` and up to `upTo` is in it.
 */
export interface Chain {
  readonly replica: string;
  /** `null`: from the replica's first one on. */
  readonly after: Instant | null;
  readonly upTo: Instant;
  readonly sum: number;
}

/**
 * The increments of an object in one of its lives: since one create of it. Two creates of one object are two lives, and
 * all their increments count.
 */
export interface Life {
  readonly born: Stamp;
  /** By replica, then in order. One chain a replica, unless something is missing in between. */
  readonly chains: readonly Chain[];
}

/**
 * What was added to a counter: every increment once, however often and in whatever order it came, kept in as many
 * numbers as there are replicas that added. Never changed in place.
 */
export type Counter = readonly Life[];

export interface Increment {
  /** The create that its writer knew as the object's latest. */
  readonly born: Stamp;
  /** The writer's increment before this one, in the same life; `null`: it is the first. */
  readonly after: Instant | null;
  readonly by: number;
}

/**
 * A sum that is the same in whatever order it is made: past 2^53, where numbers are not exact any more, it goes round,
 * from the greatest to the least.
 */
const exactSum = (a: number, b: number): number => {
  const sum = a + b;
  return Number.isSafeInteger(sum) ? sum : Number(BigInt.asIntN(54, BigInt(a) + BigInt(b)));
};

const isSame = (a: Instant | null, b: Instant | null): boolean =>
  a === b || (a !== null && b !== null && compareInstants(a, b) === 0);

/** Puts two chains together that follow each other. */
const joinChains = (chains: readonly Chain[]): readonly Chain[] => {
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
 * Two copies of what one replica wrote may each have gone on with a chain: what is within another one is counted there.
 */
const addToChains = (
  chains: readonly Chain[],
  { after, by }: Increment,
  stamp: Stamp,
  work: BatchOwnership | null,
): readonly Chain[] | null => {
  const { time, count, replica } = stamp;
  const chain: Chain = { replica, after, upTo: { time, count }, sum: by };
  const at = findFirstIndex(chains, (each) => compareChains(each, chain) >= 0);
  const last = chains[at - 1]?.replica === replica ? chains[at - 1] : undefined;
  // The latest of its replica, as nearly all are: it goes on with the one before, or stands beside it.
  const isLatest = !last || (after !== null && compareInstants(after, last.upTo) >= 0);
  if (isLatest && chains[at]?.replica !== replica) {
    const own = mutableArrayOf(chains, work);
    if (last && isSame(last.upTo, after)) own[at - 1] = { ...last, upTo: chain.upTo, sum: exactSum(last.sum, by) };
    else own.splice(at, 0, chain);
    return own;
  }
  const isRival = (each: Chain): boolean =>
    each.replica === replica && isSame(each.upTo, chain.upTo) && isSame(each.after, after) && each.sum < by;
  if (chains.some((each) => isCounted(each, stamp) && !isRival(each))) return null;
  const others = chains.filter((each) => !isCounted(chain, { ...each.upTo, replica: each.replica }));
  return joinChains([...others, chain].sort(compareChains));
};

/**
 * `null`: it changes nothing. An increment that says it follows a later one is none: no honest writer makes it, and it
 * could not be told from its repeats.
 */
export const addIncrement = (
  counter: Counter,
  increment: Increment,
  stamp: Stamp,
  work: BatchOwnership | null = null,
): Counter | null => {
  if (increment.after !== null && compareInstants(increment.after, stamp) >= 0) return null;
  const { born } = increment;
  const at = findFirstIndex(counter, (each) => compareStamps(each.born, born) >= 0);
  const found = counter[at];
  const life = found && compareStamps(found.born, born) === 0 ? found : null;
  const chains = addToChains(life?.chains ?? [], increment, stamp, work);
  if (chains === null) return null;
  const own = mutableArrayOf(counter, work);
  own.splice(at, life ? 1 : 0, { born, chains });
  return own;
};

/** What is left when the lives that began up to a stamp have never been. */
export const keepCounterAfter = (counter: Counter, floor: Stamp): Counter =>
  counter.filter(({ born }) => isLater(born, floor));

/** What all increments come to. */
export const sumOf = (counter: Counter): number =>
  counter.reduce((sum, { chains }) => chains.reduce((sofar, chain) => exactSum(sofar, chain.sum), sum), 0);

/** The increment that a replica's next one follows; `null`: it is the first. */
export const lastIncrementOf = (counter: Counter, born: Stamp, replica: string): Instant | null => {
  const life = counter.find((each) => compareStamps(each.born, born) === 0);
  return life?.chains.findLast((chain) => chain.replica === replica)?.upTo ?? null;
};
