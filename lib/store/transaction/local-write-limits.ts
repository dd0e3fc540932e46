import { forgetTombstones, isAlive } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { InvalidArgumentError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { ObjectChange } from '../objects/objects.js';
import { operationBytesOf, piecesOf } from './operation-pieces.js';

/**
 * An object as a local realm keeps it: without what is deleted or removed, of which no other replica can ever speak.
 */
export const removeTombstones = ({ type, key, state }: ObjectChange): ObjectChange => ({
  ...{ type, key },
  state: state && isAlive(state) ? forgetTombstones(state, () => true) : null,
});

/**
 * Throws for what could not be uploaded, should the realm ever get a server: a single value that no changeset has room
 * for. A local transaction may be of any size.
 */
export const checkUploadable = (operations: readonly Operation[]): void => {
  for (const operation of operations) {
    const bytes = operationBytesOf(operation);
    if (bytes <= limits.changesetBytesMax) continue;
    const pieces = piecesOf(operation, bytes);
    if (pieces.length > 1 && pieces.every((piece) => operationBytesOf(piece) <= limits.changesetBytesMax)) continue;
    const expected = `at most ${limits.changesetBytesMax} bytes in one value (${operation.type} ${JSON.stringify(operation.key)})`;
    throw new InvalidArgumentError('write', expected, bytes);
  }
};
