import { concat, map, throwError, type Observable } from 'rxjs';
import { decodeOperations } from '../merge/body.js';
import { isStampable } from '../merge/stamp.js';
import type { Changeset } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import { isLeft } from '../model/result.js';
import type { Version } from '../model/version.js';
import { closeCodes, type Accepted, type Refused, type Upload } from '../protocol/messages.js';
import { hangUp } from '../transport/wire.js';
import type { Admission } from './admission.js';
import { ReplicaCopied, SessionFailure, violation } from './failure.js';
import type { Outcome } from './draft.js';
import type { Incoming } from './judge.js';
import type { ServerLimits } from './options.js';

export interface UploadsOptions {
  readonly session: number;
  readonly admission: Admission;
  readonly limits: Pick<ServerLimits, 'pagesInFlightMax' | 'stampAheadMsMax'>;
  /** The server's clock. */
  readonly now: () => number;
}

const refuse = (version: Version, why: string): never => {
  throw new SessionFailure('bad-changeset', `changeset ${version} ${why}`);
};

/** A changeset that everybody can apply, with its operations: one that nobody can would end the realm for all. */
const readable = (changeset: Changeset, latest: number): Incoming => {
  const { version, time, body } = changeset;
  if (body.byteLength > limits.changesetBytesMax) refuse(version, `is larger than ${limits.changesetBytesMax} bytes`);
  // An operation takes more than a byte: so many counts are room enough for all of them.
  if (!isStampable(changeset, body.byteLength)) refuse(version, 'is stamped with what is no time');
  // One of the two clocks is wrong: it is tried again, because a client puts its stamps right with each bind.
  if (time > latest)
    throw new SessionFailure(
      'stamped-ahead',
      `changeset ${version} is stamped too far ahead of the server's clock`,
      'later',
    );
  const operations = decodeOperations(body);
  return isLeft(operations)
    ? refuse(version, `holds no operations: ${operations.left}`)
    : { changeset, operations: operations.right };
};

/** A page that can be appended; throws when it cannot. */
const checked = (changesets: readonly Changeset[], latest: number): readonly Incoming[] => {
  const first = changesets[0];
  if (first === undefined || changesets.length > limits.pageChangesetsMax) {
    throw violation(`upload: expected 1 to ${limits.pageChangesetsMax} changesets, got ${changesets.length}`);
  }
  return changesets.map((changeset, index) => {
    if (changeset.version !== first.version + index)
      throw new SessionFailure('bad-cursor', `changeset ${first.version + index} is missing`);
    return readable(changeset, latest);
  });
};

/** What a copy hears of a page: what was refused of the changesets that it shares with the history; then that it is a copy. */
const answeredToCopy = (
  { realm, replica, user }: Admission,
  copied: Version,
  page: readonly Incoming[],
): Observable<Outcome> => {
  const shared = page.filter(({ changeset }) => changeset.version <= copied);
  const ending$ = throwError(() => new ReplicaCopied(copied));
  if (shared.length === 0) return ending$;
  const answers$ = realm.intake
    .append(replica, user, shared)
    .pipe(map((outcome) => ('accepted' in outcome ? { accepted: Math.min(outcome.accepted, copied) } : outcome)));
  return shared.at(-1)?.changeset.version === copied ? concat(answers$, ending$) : answers$;
};

/**
 * Takes the uploads of one session in: checks each, and emits `refused` for what is refused, then `accepted` when the rest is
 * durable, once for all that became durable together. Throws a `SessionFailure` for what cannot be taken, and hangs up on who says more than
 * `pagesInFlightMax` uploads without waiting for an answer.
 */
export const createUploads = ({
  session,
  admission,
  limits: { pagesInFlightMax, stampAheadMsMax },
  now,
}: UploadsOptions) => {
  const { realm, replica, right, user, copied } = admission;
  const unanswered: Version[] = [];

  const answer = (outcome: Outcome): Accepted | Refused => {
    if ('refused' in outcome) return { type: 'refused', session, ...outcome.refused };
    const { accepted: version } = outcome;
    while (unanswered[0] !== undefined && unanswered[0] <= version) unanswered.shift();
    return { type: 'accepted', session, version };
  };

  return ({ changesets }: Upload): Observable<Accepted | Refused> => {
    if (right !== 'write')
      throw new SessionFailure('permission-denied', 'this user may read this realm, but not write to it');
    // What goes on after stamps that are there already is taken, however wrong the clock was when they came.
    const page = checked(changesets, Math.max(now() + stampAheadMsMax, realm.history.latest));
    if (unanswered.length >= pagesInFlightMax)
      throw hangUp(closeCodes.tooMuch, `more than ${pagesInFlightMax} uploads without an answer`);
    unanswered.push((changesets[0]?.version ?? 0) + changesets.length - 1);
    return copied === null
      ? realm.intake.append(replica, user, page).pipe(map(answer))
      : answeredToCopy(admission, copied, page).pipe(map(answer));
  };
};
