import { generateNKeysBetween } from 'fractional-indexing';
import { limits } from '../model/limits.js';

/**
 * Where an element of a list is. Places are compared part by part: the parts of `run`, then `key`; a place that another
 * one goes on from is before it.
 *
 * A run is what one replica inserted at one place, bit by bit or at once: `run` ends in its name, which begins with
 * that replica's id, and `key`, a fractional index, orders the elements in it. Before that come the key of the run
 * among its neighbours, and, for a run that was inserted in the middle of another, that other run. So two replicas that
 * insert at one place at the same time, however slowly, make two runs under the same key, one after the other, and
 * never mixed.
 */
export interface ListPosition {
  /** Pairs of a key and the name of a run. Shared by the elements of a run. */
  readonly run: readonly string[];
  readonly key: string;
}

const partOf = ({ run, key }: ListPosition, at: number): string | undefined =>
  at < run.length ? run[at] : at === run.length ? key : undefined;

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export const comparePositions = (a: ListPosition, b: ListPosition): number => {
  if (a.run === b.run) return compareTexts(a.key, b.key);
  for (let at = 0; ; at += 1) {
    const [left, right] = [partOf(a, at), partOf(b, at)];
    if (left === undefined || right === undefined) return left === right ? 0 : left === undefined ? -1 : 1;
    if (left !== right) return compareTexts(left, right);
  }
};

/** How many leading parts two runs share, in whole pairs. */
const sharedLengthOf = (a: readonly string[], b: readonly string[]): number => {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at] && a[at + 1] === b[at + 1]) at += 2;
  return at;
};

const isWithin = (run: readonly string[], position: ListPosition | null): boolean =>
  position !== null && position.run.length >= run.length && run.every((each, at) => each === position.run[at]);

/** Where there is room for more: a run, and the keys in it that are the neighbours. */
interface KeyRange {
  readonly run: readonly string[];
  readonly from: string | null;
  readonly to: string | null;
}

/**
 * The whole number that a key begins with and that nothing is before: no key by itself, as `fractional-indexing` has
 * it.
 */
const smallestInteger = `A${'0'.repeat(26)}`;

/** Keys between two: `generateNKeysBetween`, which would count down to the one that is no key. */
const createKeysBetween = (from: string | null, to: string | null, count: number): string[] => {
  const isLow = from === null && to !== null && to.startsWith('A') && !to.startsWith(smallestInteger);
  return generateNKeysBetween(isLow ? `${smallestInteger}V` : from, to, count);
};

const createKeyBetween = (from: string | null, to: string | null): string => createKeysBetween(from, to, 1)[0] ?? '';

/**
 * A key for a run in the run of another: right behind its neighbour, before the next whole number. Those are where the
 * other goes on, unseen from here, and what is there must not be torn.
 */
const createKeyBehind = (from: string, to: string | null): string => {
  const next = createKeyBetween(from, null);
  return createKeyBetween(from, to === null || next < to ? next : to);
};

/** A new run of this replica between two neighbours of which the left one comes first. */
const createRun = (left: ListPosition | null, right: ListPosition | null, name: string): KeyRange => {
  const depth = left && right ? sharedLengthOf(left.run, right.run) : 0;
  const from = (left && partOf(left, depth)) ?? null;
  const to = (right && partOf(right, depth)) ?? null;
  const opened = (outer: ListPosition | null, length: number, key: string): KeyRange => ({
    run: [...(outer?.run.slice(0, length) ?? []), key, name],
    from: null,
    to: null,
  });
  if (from === null || from !== to) {
    return opened(
      left ?? right,
      depth,
      from === null || depth === 0 ? createKeyBetween(from, to) : createKeyBehind(from, to),
    );
  }
  // Two runs under one key, and no key between: at the end of the left one; or, if that is an element, at the start of
  // the right one.
  const last = left && left.run.length > depth ? partOf(left, depth + 2) : undefined;
  if (last !== undefined) return opened(left, depth + 2, createKeyBehind(last, null));
  return opened(right, depth + 2, createKeyBetween(null, (right && partOf(right, depth + 2)) ?? null));
};

/** Who inserts, and what of his runs he must not go on with. */
export interface InsertContext {
  readonly replica: string;
  /** What a new run is called: the replica's id, or that, a dot, and what no other run of his has. */
  readonly runName: string;
  /** Whether the run of a neighbour, which is his, ends where he sees it end. */
  readonly canContinue: (neighbour: ListPosition) => boolean;
}

const isOwnRun = (position: ListPosition | null, { replica, canContinue }: InsertContext): position is ListPosition => {
  const name = position?.run.at(-1);
  if (position === null || name === undefined) return false;
  return (name === replica || name.startsWith(`${replica}.`)) && canContinue(position);
};

const findRangeBetween = (
  left: ListPosition | null,
  right: ListPosition | null,
  inserting: InsertContext,
): KeyRange => {
  // Whoever goes on where he stopped goes on with his run.
  if (isOwnRun(left, inserting) && !isWithin(left.run, right)) return { run: left.run, from: left.key, to: null };
  if (isOwnRun(right, inserting) && !isWithin(right.run, left)) return { run: right.run, from: null, to: right.key };
  return createRun(left, right, inserting.runName);
};

/** Parts of the longest run. */
const partsMax = 2 * limits.positionDepthMax;

/**
 * As deep as runs go, he takes plain keys of the innermost run, whosever it is: what two insert there at the same time
 * may mix. It takes more than a hundred inserts that were each put between the last two.
 */
const findRangeAtMaxDepth = (
  run: readonly string[],
  left: ListPosition | null,
  right: ListPosition | null,
): KeyRange => {
  const keyIn = (position: ListPosition | null): string | null =>
    position !== null && isWithin(run, position) ? (partOf(position, run.length) ?? null) : null;
  return { run, from: keyIn(left), to: keyIn(right) };
};

/** As long as nothing of his was removed or moved. */
export const createInsertContext = (replica: string): InsertContext => ({
  replica,
  runName: replica,
  canContinue: () => true,
});

/** Places for so many elements between two neighbours, of which the left one comes first; `null`: there is none. */
export const createPositionsBetween = (
  left: ListPosition | null,
  right: ListPosition | null,
  inserting: InsertContext,
  count: number,
): { readonly run: readonly string[]; readonly keys: readonly string[] } => {
  const wanted = findRangeBetween(left, right, inserting);
  const isTooDeep = wanted.run.length > partsMax;
  const { run, from, to } = isTooDeep ? findRangeAtMaxDepth(wanted.run.slice(0, partsMax), left, right) : wanted;
  return { run, keys: createKeysBetween(from, to, count) };
};

/**
 * Digits after the first character of a key, which says how many: `a` to `z` one to 26, `Z` to `A` the same downwards.
 */
const digitCountOf = (head: string): number => {
  if (head >= 'a' && head <= 'z') return head.charCodeAt(0) - 96;
  return head >= 'A' && head <= 'Z' ? 91 - head.charCodeAt(0) : Infinity;
};

/** Whether it is a key that fractional-indexing can go on from: what came from others may not be. */
export const isPositionKey = (key: unknown): key is string => {
  if (typeof key !== 'string' || !/^[A-Za-z][0-9A-Za-z]+$/.test(key)) return false;
  const digits = digitCountOf(key.charAt(0));
  // A fraction that ends in 0 is another one's.
  return key !== smallestInteger && key.length > digits && (key.length === digits + 1 || !key.endsWith('0'));
};
