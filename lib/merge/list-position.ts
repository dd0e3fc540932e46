import { generateNKeysBetween } from 'fractional-indexing';
import { limits } from '../model/limits.js';

/**
 * The position of an element in a list. Positions are compared part by part: the parts of `run`, then `key`. A position
 * comes before its extensions.
 *
 * A run contains what one replica inserted at one position, in one or several steps. The last part of `run` is its
 * name, which begins with the replica's id. `key`, a fractional index, orders the elements in the run. Before the name
 * comes the key of the run among its neighbours; a run inside another run begins with that other run. So when two
 * replicas insert at the same position at the same time, however slowly, their elements form two runs under the same
 * key, one after the other, and never mix.
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

/** Returns the number of leading parts that two runs share, in whole pairs. */
const sharedLengthOf = (a: readonly string[], b: readonly string[]): number => {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at] && a[at + 1] === b[at + 1]) at += 2;
  return at;
};

const isWithin = (run: readonly string[], position: ListPosition | null): boolean =>
  position !== null && position.run.length >= run.length && run.every((each, at) => each === position.run[at]);

/** A range for new keys: a run, and the neighbouring keys in it. */
interface KeyRange {
  readonly run: readonly string[];
  readonly from: string | null;
  readonly to: string | null;
}

/** The smallest integer part of a key. It is not a key by itself in `fractional-indexing`. */
const smallestInteger = `A${'0'.repeat(26)}`;

/**
 * Returns keys between two. `generateNKeysBetween` alone could return the smallest integer part, which is not a key.
 */
const createKeysBetween = (from: string | null, to: string | null, count: number): string[] => {
  const isLow = from === null && to !== null && to.startsWith('A') && !to.startsWith(smallestInteger);
  return generateNKeysBetween(isLow ? `${smallestInteger}V` : from, to, count);
};

const createKeyBetween = (from: string | null, to: string | null): string => createKeysBetween(from, to, 1)[0] ?? '';

/**
 * Returns the key of a run inside a run of another replica: directly after its neighbour, before the next whole number.
 * The other replica continues its run there, unseen from here, and its elements must stay together.
 */
const createKeyBehind = (from: string, to: string | null): string => {
  const next = createKeyBetween(from, null);
  return createKeyBetween(from, to === null || next < to ? next : to);
};

/** Returns a new run of this replica between two neighbours, of which the left one comes first. */
const createRun = (left: ListPosition | null, right: ListPosition | null, name: string): KeyRange => {
  const depth = left && right ? sharedLengthOf(left.run, right.run) : 0;
  const from = (left && partOf(left, depth)) ?? null;
  const to = (right && partOf(right, depth)) ?? null;
  const createRange = (outer: ListPosition | null, length: number, key: string): KeyRange => ({
    run: [...(outer?.run.slice(0, length) ?? []), key, name],
    from: null,
    to: null,
  });
  if (from === null || from !== to) {
    return createRange(
      left ?? right,
      depth,
      from === null || depth === 0 ? createKeyBetween(from, to) : createKeyBehind(from, to),
    );
  }
  // Two runs have the same key, and there is no key in between. The new run goes to the end of the left one; if the
  // left one is an element, to the start of the right one.
  const last = left && left.run.length > depth ? partOf(left, depth + 2) : undefined;
  if (last !== undefined) return createRange(left, depth + 2, createKeyBehind(last, null));
  return createRange(right, depth + 2, createKeyBetween(null, (right && partOf(right, depth + 2)) ?? null));
};

/** The inserting replica, and the runs that it may continue. */
export interface InsertContext {
  readonly replica: string;
  /** The name of a new run: the replica's id, or the id, a dot and a suffix that no other run of this replica has. */
  readonly runName: string;
  /** Whether the replica may continue its own run at a neighbour: the visible end of the run is its real end. */
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
  // A replica that inserts beside its own run continues that run.
  if (isOwnRun(left, inserting) && !isWithin(left.run, right)) return { run: left.run, from: left.key, to: null };
  if (isOwnRun(right, inserting) && !isWithin(right.run, left)) return { run: right.run, from: null, to: right.key };
  return createRun(left, right, inserting.runName);
};

/** Number of parts of the longest run. */
const partsMax = 2 * limits.positionDepthMax;

/**
 * Returns plain keys of the innermost run at the largest depth, even in another replica's run. Concurrent inserts of
 * two replicas may mix there. This takes more than a hundred inserts, each between the last two elements.
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

/** Returns the context of a replica of which no element was removed or moved. */
export const createInsertContext = (replica: string): InsertContext => ({
  replica,
  runName: replica,
  canContinue: () => true,
});

/**
 * Returns positions for new elements between two neighbours, of which the left one comes first; `null`: there is no
 * neighbour.
 */
export const createPositionsBetween = (
  left: ListPosition | null,
  right: ListPosition | null,
  inserting: InsertContext,
  count: number,
): { readonly run: readonly string[]; readonly keys: readonly string[] } => {
  const range = findRangeBetween(left, right, inserting);
  const isTooDeep = range.run.length > partsMax;
  const { run, from, to } = isTooDeep ? findRangeAtMaxDepth(range.run.slice(0, partsMax), left, right) : range;
  return { run, keys: createKeysBetween(from, to, count) };
};

/**
 * Returns the number of digits after the first character of a key, which encodes it: `a` to `z` for 1 to 26, `Z` to `A`
 * downwards.
 */
const digitCountOf = (head: string): number => {
  if (head >= 'a' && head <= 'z') return head.charCodeAt(0) - 96;
  return head >= 'A' && head <= 'Z' ? 91 - head.charCodeAt(0) : Infinity;
};

/** Whether a key is valid for `fractional-indexing`. Received keys may be invalid. */
export const isPositionKey = (key: unknown): key is string => {
  if (typeof key !== 'string' || !/^[A-Za-z][0-9A-Za-z]+$/.test(key)) return false;
  const digits = digitCountOf(key.charAt(0));
  // A fraction that ends in 0 is another spelling of a shorter one.
  return key !== smallestInteger && key.length > digits && (key.length === digits + 1 || !key.endsWith('0'));
};
