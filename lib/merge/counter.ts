import type { Instant } from '../model/changeset.js';
import { compareInstants, compareStamps, isLater, type Stamp } from './stamp.js';

/**
 * Increments that one replica made one after the other: each says which one was before it, so that a chain stands for all of them.
 * What is stamped after `after` and up to `upTo` is in it.
 */
export interface Chain {
  readonly replica: string;
  /** `null`: from the replica's first one on. */
  readonly after: Instant | null;
  readonly upTo: Instant;
  readonly sum: number;
}

/** The increments of an object in one of its lives: since one create of it. Two creates of one object are two lives, and all their increments count. */
export interface Life {
  readonly born: Stamp;
  /** By replica, then in order. One chain a replica, unless something is missing in between. */
  readonly chains: readonly Chain[];
}

/**
 * What was added to a counter: every increment once, however often and in whatever order it came, kept in as many numbers as
 * there are replicas that added. Never changed in place.
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
 * A sum that is the same in whatever order it is made: past 2^53, where numbers are not exact any more, it goes round, from the greatest
 * to the least.
 */
const exactSum = (a: number, b: number): number => {
  const sum = a + b;
  return Number.isSafeInteger(sum) ? sum : Number(BigInt.asIntN(54, BigInt(a) + BigInt(b)));
};

const isSame = (a: Instant | null, b: Instant | null): boolean =>
  a === b || (a !== null && b !== null && compareInstants(a, b) === 0);

/** Puts two chains together that follow each other. */
const joined = (chains: readonly Chain[]): readonly Chain[] => {
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

/** Two copies of what one replica wrote may each have gone on with a chain: what is within another one is counted there. */
const withIncrement = (chains: readonly Chain[], { after, by }: Increment, stamp: Stamp): readonly Chain[] => {
  const { time, count, replica } = stamp;
  const chain: Chain = { replica, after, upTo: { time, count }, sum: by };
  const isRival = (each: Chain): boolean =>
    each.replica === replica && isSame(each.upTo, chain.upTo) && isSame(each.after, after) && each.sum < by;
  if (chains.some((each) => isCounted(each, stamp) && !isRival(each))) return chains;
  const others = chains.filter((each) => !isCounted(chain, { ...each.upTo, replica: each.replica }));
  return joined([...others, chain].sort(compareChains));
};

/** An increment that says it follows a later one is none: no honest writer makes it, and it could not be told from its repeats. */
export const incremented = (counter: Counter, increment: Increment, stamp: Stamp): Counter => {
  if (increment.after !== null && compareInstants(increment.after, stamp) >= 0) return counter;
  const at = counter.findIndex(({ born }) => compareStamps(born, increment.born) === 0);
  const life = counter[at];
  if (!life) {
    const fresh: Life = { born: increment.born, chains: withIncrement([], increment, stamp) };
    return [...counter, fresh].sort((a, b) => compareStamps(a.born, b.born));
  }
  const chains = withIncrement(life.chains, increment, stamp);
  return chains === life.chains ? counter : counter.with(at, { ...life, chains });
};

/** What is left when the lives that began up to a stamp have never been. */
export const counterAfter = (counter: Counter, floor: Stamp): Counter =>
  counter.filter(({ born }) => isLater(born, floor));

/** What all increments come to. */
export const sumOf = (counter: Counter): number =>
  counter.reduce((sum, { chains }) => chains.reduce((sofar, chain) => exactSum(sofar, chain.sum), sum), 0);

/** The increment that a replica's next one follows; `null`: it is the first. */
export const lastIncrement = (counter: Counter, born: Stamp, replica: string): Instant | null => {
  const life = counter.find((each) => compareStamps(each.born, born) === 0);
  return life?.chains.findLast((chain) => chain.replica === replica)?.upTo ?? null;
};
