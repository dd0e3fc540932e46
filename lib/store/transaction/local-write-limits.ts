import { forgetTombstones, isAlive } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { InvalidArgumentError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { ObjectChange } from '../objects/object-change.js';
import { operationBytesOf, piecesOf, writesLittle } from './operation-pieces.js';

/** Removes the tombstones of an object in a local realm. No other replica refers to them. */
export const removeTombstones = (changed: ObjectChange): ObjectChange => {
  const { type, key, state } = changed;
  const kept = state && isAlive(state) ? forgetTombstones(state, () => true) : null;
  return kept === state ? changed : { type, key, state: kept };
};

/**
 * Throws for a value that is too large for any changeset, so that the realm can be uploaded if it gets a server. A
 * local transaction may have any size.
 */
export const checkUploadable = (operations: readonly Operation[]): void => {
  for (const operation of operations) {
    if (writesLittle(operation)) continue; // Encoding each operation took a sixth of a write.
    const bytes = operationBytesOf(operation);
    if (bytes <= limits.changesetBytesMax) continue;
    const pieces = piecesOf(operation, bytes);
    if (pieces.length > 1 && pieces.every((piece) => operationBytesOf(piece) <= limits.changesetBytesMax)) continue;
    const expected = `at most ${limits.changesetBytesMax} bytes in one value (${operation.type} ${JSON.stringify(operation.key)})`;
    throw new InvalidArgumentError('write', expected, bytes);
  }
};
