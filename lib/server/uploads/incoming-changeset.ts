import { decodeOperationsWithin, targetsOf } from '../../merge/operation-codec.js';
import type { Operation } from '../../merge/operation.js';
import { isStampable } from '../../merge/timestamp.js';
import {
  type Changeset,
  nameTextOf,
  type ObjectName,
  type RejectedWrite,
  type WriteLimits,
} from '../../model/changeset.js';
import { limits as defaults } from '../../model/limits.js';
import { isLeft } from '../../model/result.js';

/** The reasons to reject a changeset. */
export interface RejectionDetails {
  /** A code: see `RejectedChangeset`. */
  readonly code: string;
  readonly writes: readonly RejectedWrite[];
}

/** A received changeset with its decoded operations. */
export interface IncomingChangeset {
  readonly changeset: Changeset;
  readonly operations: readonly Operation[];
  /** The touched objects, if they do not follow from the operations. */
  readonly objects?: readonly ObjectName[];
  /** Set if the changeset is rejected before any check. */
  readonly rejection?: RejectionDetails;
}

/** Returns the objects that a changeset touches. Objects may occur more than once. */
export const objectsOf = ({ operations, objects = operations }: IncomingChangeset): readonly ObjectName[] => objects;

/** Rejects a changeset, with the same reason for each object that it touches. */
export const rejectChangeset = (
  changeset: Changeset,
  code: string,
  reason: string,
  objects: readonly ObjectName[],
): IncomingChangeset => {
  const named = new Map(objects.map(({ type, key }) => [nameTextOf({ type, key }), { type, key }]));
  const all = [...named.values()].slice(0, defaults.rejectedWritesMax);
  const writes = all.slice(0, defaults.rejectedReasonsMax).map((each) => ({ ...each, reason }));
  return { changeset, operations: [], objects: all, rejection: { code, writes } };
};

const rejectTooLarge = (changeset: Changeset, reason: string): IncomingChangeset =>
  rejectChangeset(changeset, 'too-large', reason, targetsOf(changeset.body));

/** Decodes a changeset. Rejects a changeset that some clients could not apply. */
export const incomingOf = (changeset: Changeset, limits: WriteLimits): IncomingChangeset => {
  const { body } = changeset;
  const { changesetBytesMax, operationsMax, valuesMax } = limits;
  if (body.byteLength > changesetBytesMax)
    return rejectTooLarge(
      changeset,
      `The change has ${body.byteLength} bytes. At most ${changesetBytesMax} are accepted.`,
    );
  // Each operation needs more than a byte, so the number of bytes is an upper bound of the operations.
  if (!isStampable(changeset, body.byteLength))
    return rejectChangeset(changeset, 'bad-changeset', 'The change has an invalid stamp.', targetsOf(body));
  const decoded = decodeOperationsWithin(body, operationsMax, valuesMax);
  if (isLeft(decoded)) {
    const { text, isTooMany } = decoded.left;
    return isTooMany
      ? rejectTooLarge(changeset, `The change is too large: ${text}.`)
      : rejectChangeset(changeset, 'bad-changeset', `The change has invalid operations: ${text}.`, targetsOf(body));
  }
  return { changeset, operations: decoded.right };
};
