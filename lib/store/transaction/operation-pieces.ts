import { encodeOperations } from '../../merge/operation-codec.js';
import type { Operation } from '../../merge/operation.js';
import { limits } from '../../model/limits.js';
import type { Value } from '../../model/value.js';

/** About how many bytes a value takes on the wire, and not fewer but for its header. */
export const weightOf = (value: Value): number => {
  if (typeof value === 'string') return 3 * value.length;
  if (typeof value !== 'object' || value === null) return 9;
  if (value instanceof Uint8Array) return value.byteLength;
  const entries = Object.entries(value as Readonly<Record<string, Value>>);
  return entries.reduce((sum, [name, each]) => sum + 3 * name.length + weightOf(each), 9);
};

export const entryWeightOf = ([name, value]: readonly [string, Value]): number => 3 * name.length + weightOf(value);

/** About how large an operation may be that need not be split. */
const pieceBytes = 1024 * 1024;

/** In pieces of about `pieceBytes`, each of one thing at least. */
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
 * An operation in pieces that each have one large value at most. What inserts elements is written in pieces, because
 * its stamp names them.
 */
const splitOperation = (operation: Operation): readonly Operation[] => {
  if (operation.kind === 'create' || operation.kind === 'update') {
    // The least first: a create has as many as there is room for.
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

export const operationBytesOf = (operation: Operation): number => encodeOperations([operation]).byteLength;

/** An operation as it goes into changesets: itself, or in pieces when it is too large. */
export const piecesOf = (operation: Operation, bytes: number): readonly Operation[] =>
  bytes <= limits.changesetBytesMax ? [operation] : splitOperation(operation);
