import { map, type Observable } from 'rxjs';
import { isStampable } from '../merge/stamp.js';
import type { Changeset } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import { closeCodes, type Accepted, type Upload } from '../protocol/messages.js';
import { hangUp } from '../transport/wire.js';
import type { Admission } from './admission.js';
import { SessionFailure, violation } from './failure.js';
import type { ServerLimits } from './options.js';

export interface UploadsOptions {
  readonly session: number;
  readonly admission: Admission;
  readonly limits: Pick<ServerLimits, 'pagesInFlightMax' | 'stampAheadMsMax'>;
  /** The server's clock. */
  readonly now: () => number;
}

/** The last version of a page that can be appended; throws when it cannot. */
const checked = (changesets: readonly Changeset[], latest: number): Version => {
  const first = changesets[0];
  if (first === undefined || changesets.length > limits.pageChangesetsMax) {
    throw violation(`upload: expected 1 to ${limits.pageChangesetsMax} changesets, got ${changesets.length}`);
  }
  let version = first.version - 1;
  for (const changeset of changesets) {
    version += 1;
    if (changeset.version !== version) throw new SessionFailure('bad-cursor', `changeset ${version} is missing`);
    // An operation takes more than a byte: so many counts are room enough for all of them.
    if (!isStampable(changeset, changeset.body.byteLength)) {
      throw new SessionFailure('bad-changeset', `changeset ${version} is stamped with what is no time`);
    }
    if (changeset.time > latest) {
      throw new SessionFailure('bad-changeset', `changeset ${version} is stamped too far ahead of the server's clock`);
    }
    if (changeset.body.byteLength > limits.changesetBytesMax) {
      throw new SessionFailure(
        'bad-changeset',
        `changeset ${version} is larger than ${limits.changesetBytesMax} bytes`,
      );
    }
  }
  return version;
};

/**
 * Takes the uploads of one session in: checks each, and emits `accepted` when what it asked for is durable, once for all that
 * became durable together. Throws a `SessionFailure` for what cannot be taken, and hangs up on who says more than
 * `pagesInFlightMax` uploads without waiting for an answer.
 */
export const createUploads = ({
  session,
  admission,
  limits: { pagesInFlightMax, stampAheadMsMax },
  now,
}: UploadsOptions) => {
  const { realm, replica, right } = admission;
  const unanswered: Version[] = [];

  const answer = (version: Version): Accepted => {
    while (unanswered[0] !== undefined && unanswered[0] <= version) unanswered.shift();
    return { type: 'accepted', session, version };
  };

  return ({ changesets }: Upload): Observable<Accepted> => {
    if (right !== 'write')
      throw new SessionFailure('permission-denied', 'this user may read this realm, but not write to it');
    const upTo = checked(changesets, now() + stampAheadMsMax);
    if (unanswered.length >= pagesInFlightMax)
      throw hangUp(closeCodes.tooMuch, `more than ${pagesInFlightMax} uploads without an answer`);
    unanswered.push(upTo);
    return realm.intake.append(replica, changesets).pipe(map(answer));
  };
};
