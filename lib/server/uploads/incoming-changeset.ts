import { decodeOperations, decodeOperationsWithin, targetsOf } from '../../merge/operation-codec.js';
import { skimOperations, type SkimmedBody } from '../../merge/operation-skimmer.js';
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

/** A received changeset that was checked. */
export interface IncomingChangeset {
  readonly changeset: Changeset;
  /** The number of operations. */
  readonly operationCount: number;
  /** The operations. Those of a skimmed changeset are decoded at each access. */
  readonly operations: readonly Operation[];
  /** The properties of the body, if it was skimmed instead of decoded. */
  readonly skimmed?: SkimmedBody;
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
  return { changeset, operationCount: 0, operations: [], objects: all, rejection: { code, writes } };
};

/** A changeset whose body was skimmed. A class, because one is created for each changeset (measured). */
class SkimmedChangeset implements IncomingChangeset {
  constructor(
    readonly changeset: Changeset,
    readonly skimmed: SkimmedBody,
  ) {}

  get operationCount(): number {
    return this.skimmed.operations;
  }

  get operations(): readonly Operation[] {
    const decoded = decodeOperations(this.changeset.body);
    if (isLeft(decoded)) throw new Error(`Defect: a body was accepted that is invalid: ${decoded.left}.`);
    return decoded.right;
  }
}

const rejectTooLarge = (changeset: Changeset, reason: string): IncomingChangeset =>
  rejectChangeset(changeset, 'too-large', reason, targetsOf(changeset.body));

/**
 * Checks a changeset. Rejects a changeset that some clients could not apply.
 *
 * @param needsOperations - Whether the operations are going to be read. Otherwise they are only skimmed if possible.
 */
export const incomingOf = (changeset: Changeset, limits: WriteLimits, needsOperations: boolean): IncomingChangeset => {
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
  const skimmed = needsOperations ? null : skimOperations(body, operationsMax, valuesMax);
  if (skimmed !== null) return new SkimmedChangeset(changeset, skimmed);
  const decoded = decodeOperationsWithin(body, operationsMax, valuesMax);
  if (isLeft(decoded)) {
    const { text, isTooMany } = decoded.left;
    return isTooMany
      ? rejectTooLarge(changeset, `The change is too large: ${text}.`)
      : rejectChangeset(changeset, 'bad-changeset', `The change has invalid operations: ${text}.`, targetsOf(body));
  }
  return { changeset, operationCount: decoded.right.length, operations: decoded.right };
};
