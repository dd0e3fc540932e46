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

/** Why a changeset is refused. */
export interface RejectionDetails {
  /** As a word: see `RejectedChangeset`. */
  readonly code: string;
  readonly writes: readonly RejectedWrite[];
}

/** A changeset with what it says. */
export interface IncomingChangeset {
  readonly changeset: Changeset;
  readonly operations: readonly Operation[];
  /** The objects that it touches, when its operations do not say so. */
  readonly objects?: readonly ObjectName[];
  /** Why it is refused before anybody is asked. */
  readonly rejection?: RejectionDetails;
}

/** The objects that a changeset touches, some of them more than once. */
export const objectsOf = ({ operations, objects = operations }: IncomingChangeset): readonly ObjectName[] => objects;

/** A changeset that is refused, with the same reason for each object that it touches. */
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

/** What a changeset says; one that not every client could apply is refused. */
export const incomingOf = (changeset: Changeset, limits: WriteLimits): IncomingChangeset => {
  const { body } = changeset;
  const { changesetBytesMax, operationsMax, valuesMax } = limits;
  if (body.byteLength > changesetBytesMax)
    return rejectTooLarge(
      changeset,
      `its changes have ${body.byteLength} bytes, and at most ${changesetBytesMax} are taken`,
    );
  // An operation takes more than a byte: so many counts are room enough for all of them.
  if (!isStampable(changeset, body.byteLength))
    return rejectChangeset(changeset, 'bad-changeset', 'it is stamped with what is no time', targetsOf(body));
  const decoded = decodeOperationsWithin(body, operationsMax, valuesMax);
  if (isLeft(decoded)) {
    const { text, isTooMany } = decoded.left;
    return isTooMany
      ? rejectTooLarge(changeset, text)
      : rejectChangeset(changeset, 'bad-changeset', `it holds no operations: ${text}`, targetsOf(body));
  }
  return { changeset, operations: decoded.right };
};
