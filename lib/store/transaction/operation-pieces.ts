import { encodeOperations } from '../../merge/operation-codec.js';
import type { Operation } from '../../merge/operation.js';
import { limits } from '../../model/limits.js';
import type { Value } from '../../model/value.js';

/** Estimates the bytes of a value on the wire. Not less than the actual size, except for its header. */
export const weightOf = (value: Value): number => {
  if (typeof value === 'string') return 3 * value.length;
  if (typeof value !== 'object' || value === null) return 9;
  if (value instanceof Uint8Array) return value.byteLength;
  const entries = Object.entries(value as Readonly<Record<string, Value>>);
  return entries.reduce((sum, [name, each]) => sum + 3 * name.length + weightOf(each), 9);
};

export const entryWeightOf = ([name, value]: readonly [string, Value]): number => 3 * name.length + weightOf(value);

/** Approximate size above which an operation is split. */
const pieceBytes = 1024 * 1024;

/** Splits a list into pieces of about `pieceBytes` with at least one item each. */
export const splitByWeight = <A>(all: readonly A[], weigh: (one: A) => number): readonly (readonly A[])[] => {
  const pieces: A[][] = [];
  let bytes = Infinity;
  for (const one of all) {
    const weight = weigh(one);
    const last = pieces.at(-1);
    if (last && bytes + weight <= pieceBytes) {
      last.push(one);
      bytes += weight;
    } else {
      pieces.push([one]);
      bytes = weight;
    }
  }
  return pieces;
};

/**
 * Splits an operation so that each piece has at most one large value. Inserts of elements are not split here, because
 * elements are named by the stamps of their operations.
 */
const splitOperation = (operation: Operation): readonly Operation[] => {
  if (operation.kind === 'create' || operation.kind === 'update') {
    // Smallest values first, so that the create contains as many as fit.
    const entries = Object.entries(operation.values).sort((a, b) => entryWeightOf(a) - entryWeightOf(b));
    return splitByWeight(entries, entryWeightOf).map((some, at): Operation => ({
      ...operation,
      kind: at === 0 ? operation.kind : 'update',
      values: Object.fromEntries(some),
    }));
  }
  if (operation.kind !== 'put') return [operation];
  return splitByWeight(operation.entries, entryWeightOf).map((entries): Operation => ({ ...operation, entries }));
};

/**
 * Whether an operation that writes properties is far smaller than a changeset may be, found out without encoding it. A
 * weight leaves out headers: a value with its name takes at most twice its weight, and the limit is seven times as
 * large.
 */
export const writesLittle = (operation: Operation): boolean =>
  (operation.kind === 'create' || operation.kind === 'update') && weightOf(operation.values) < pieceBytes;

export const operationBytesOf = (operation: Operation): number => encodeOperations([operation]).byteLength;

/** The operation itself, or its pieces when it is too large for a changeset. */
export const piecesOf = (operation: Operation, bytes: number): readonly Operation[] =>
  bytes <= limits.changesetBytesMax ? [operation] : splitOperation(operation);
