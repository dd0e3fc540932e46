import { forgotten, isAlive } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import { InvalidArgumentError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Changed } from './objects.js';
import { bytesOfOperation, piecesOf } from './pieces.js';

/** An object as a local realm keeps it: without what is deleted or removed, of which no other replica can ever speak. */
export const keptLocally = ({ type, key, state }: Changed): Changed => ({
  ...{ type, key },
  state: state && isAlive(state) ? forgotten(state, () => true) : null,
});

/**
 * Throws for what could not be uploaded, should the realm ever get a server: a single value that no changeset has room for. A local transaction
 * may be of any size.
 */
export const refuseTooLarge = (operations: readonly Operation[]): void => {
  for (const operation of operations) {
    const bytes = bytesOfOperation(operation);
    if (bytes <= limits.changesetBytesMax) continue;
    const pieces = piecesOf(operation, bytes);
    if (pieces.length > 1 && pieces.every((piece) => bytesOfOperation(piece) <= limits.changesetBytesMax)) continue;
    const expected = `at most ${limits.changesetBytesMax} bytes in one value (${operation.type} ${JSON.stringify(operation.key)})`;
    throw new InvalidArgumentError('write', expected, bytes);
  }
};
