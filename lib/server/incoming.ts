import { decodeOperationsWithin, targetsIn } from '../merge/body.js';
import type { Operation } from '../merge/operation.js';
import { isStampable } from '../merge/stamp.js';
import { type Changeset, nameText, type ObjectName, type RefusedWrite, type WriteLimits } from '../model/changeset.js';
import { limits as defaults } from '../model/limits.js';
import { isLeft } from '../model/result.js';

/** Why a changeset is refused. */
export interface Verdict {
  /** As a word: see `Refusal`. */
  readonly code: string;
  readonly writes: readonly RefusedWrite[];
}

/** A changeset with what it says. */
export interface Incoming {
  readonly changeset: Changeset;
  readonly operations: readonly Operation[];
  /** The objects that it touches, when its operations do not say so. */
  readonly objects?: readonly ObjectName[];
  /** Why it is refused before anybody is asked. */
  readonly verdict?: Verdict;
}

/** The objects that a changeset touches, some of them more than once. */
export const objectsOf = ({ operations, objects = operations }: Incoming): readonly ObjectName[] => objects;

/** A changeset that is refused, with the same reason for each object that it touches. */
export const refusedFor = (
  changeset: Changeset,
  code: string,
  reason: string,
  objects: readonly ObjectName[],
): Incoming => {
  const named = new Map(objects.map(({ type, key }) => [nameText({ type, key }), { type, key }]));
  const all = [...named.values()].slice(0, defaults.refusedWritesMax);
  const writes = all.slice(0, defaults.refusedReasonsMax).map((each) => ({ ...each, reason }));
  return { changeset, operations: [], objects: all, verdict: { code, writes } };
};

const tooMany = (changeset: Changeset, reason: string): Incoming =>
  refusedFor(changeset, 'too-large', reason, targetsIn(changeset.body));

/** What a changeset says; one that not every client could apply is refused. */
export const incomingOf = (changeset: Changeset, limits: WriteLimits): Incoming => {
  const { body } = changeset;
  const { changesetBytesMax, operationsMax, valuesMax } = limits;
  if (body.byteLength > changesetBytesMax)
    return tooMany(changeset, `its changes have ${body.byteLength} bytes, and at most ${changesetBytesMax} are taken`);
  // An operation takes more than a byte: so many counts are room enough for all of them.
  if (!isStampable(changeset, body.byteLength))
    return refusedFor(changeset, 'bad-changeset', 'it is stamped with what is no time', targetsIn(body));
  const decoded = decodeOperationsWithin(body, operationsMax, valuesMax);
  if (isLeft(decoded)) {
    const { text, isTooMany } = decoded.left;
    return isTooMany
      ? tooMany(changeset, text)
      : refusedFor(changeset, 'bad-changeset', `it holds no operations: ${text}`, targetsIn(body));
  }
  return { changeset, operations: decoded.right };
};
