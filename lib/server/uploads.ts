import { concat, map, throwError, type Observable } from 'rxjs';
import { targetsIn } from '../merge/body.js';
import { isKey, isName } from '../merge/fields.js';
import { bytesOf, type Changeset, type WriteLimits } from '../model/changeset.js';
import { limits as defaults } from '../model/limits.js';
import type { Version } from '../model/version.js';
import { closeCodes, type Accepted, type Refused, type Upload, type Withdraw } from '../protocol/messages.js';
import { hangUp } from '../transport/wire.js';
import type { Admission } from './admission.js';
import { ReplicaCopied, SessionFailure, violation } from './failure.js';
import type { Outcome, UploadedPage } from './draft.js';
import { type Incoming, incomingOf, refusedFor } from './incoming.js';
import type { ServerLimits } from './options.js';

export interface UploadsOptions {
  readonly session: number;
  readonly admission: Admission;
  readonly limits: Pick<ServerLimits, 'pagesInFlightMax' | 'stampAheadMsMax' | keyof WriteLimits>;
  /** The server's clock. */
  readonly now: () => number;
}

/** Throws when changesets are no page that can be appended. */
const checkPage = (changesets: readonly Changeset[], latest: number): void => {
  const first = changesets[0];
  if (first === undefined || changesets.length > defaults.pageChangesetsMax) {
    throw violation(`upload: expected 1 to ${defaults.pageChangesetsMax} changesets, got ${changesets.length}`);
  }
  if (changesets.slice(0, -1).reduce((sum, each) => sum + bytesOf(each), 0) >= defaults.uploadBytesMax)
    throw violation(`upload: expected a page to end before ${defaults.uploadBytesMax} bytes`);
  for (const [index, { version, time }] of changesets.entries()) {
    if (version !== first.version + index)
      throw new SessionFailure('bad-cursor', `changeset ${first.version + index} is missing`);
    // One of the two clocks is wrong: it is tried again, because a client puts its stamps right with each bind.
    if (time > latest)
      throw new SessionFailure(
        'stamped-ahead',
        `changeset ${version} is stamped too far ahead of the server's clock`,
        'later',
      );
  }
};

/** What a copy hears of a page: what was refused of the changesets that it shares with the history; then that it is a copy. */
const answeredToCopy = (
  { realm, replica, user }: Admission,
  copied: Version,
  { changesets, read }: UploadedPage,
): Observable<Outcome> => {
  const shared = changesets.filter(({ version }) => version <= copied);
  const ending$ = throwError(() => new ReplicaCopied(copied));
  if (shared.length === 0) return ending$;
  const answers$ = realm.intake
    .append(replica, user, { changesets: shared, read })
    .pipe(map((outcome) => ('accepted' in outcome ? { accepted: Math.min(outcome.accepted, copied) } : outcome)));
  return shared.at(-1)?.version === copied ? concat(answers$, ending$) : answers$;
};

/** A changeset of a user who may only read. */
const denied = (changeset: Changeset): Incoming =>
  refusedFor(changeset, 'permission-denied', 'this user may not write to this realm', targetsIn(changeset.body));

/** The uploads of one session. */
export interface Uploads {
  readonly upload: (message: Upload) => Observable<Accepted | Refused>;
  /** A changeset that cannot be uploaded, in its place. */
  readonly withdraw: (message: Withdraw) => Observable<Accepted | Refused>;
}

/**
 * Takes the uploads of one session in: checks each, and emits `refused` for what is refused, then `accepted` when the rest is
 * durable, once for all that became durable together. Throws a `SessionFailure` for what cannot be taken, and hangs up on who says more than
 * `pagesInFlightMax` uploads without waiting for an answer.
 */
export const createUploads = ({ session, admission, limits, now }: UploadsOptions): Uploads => {
  const { realm, replica, right, user, copied } = admission;
  const { pagesInFlightMax, stampAheadMsMax } = limits;
  const unanswered: Version[] = [];

  const answer = (outcome: Outcome): Accepted | Refused => {
    if ('refused' in outcome) return { type: 'refused', session, ...outcome.refused };
    const { accepted: version } = outcome;
    while (unanswered[0] !== undefined && unanswered[0] <= version) unanswered.shift();
    return { type: 'accepted', session, version };
  };
  const append = (page: UploadedPage): Observable<Accepted | Refused> => {
    if (unanswered.length >= pagesInFlightMax)
      throw hangUp(closeCodes.tooMuch, `more than ${pagesInFlightMax} uploads without an answer`);
    unanswered.push(page.changesets.at(-1)?.version ?? 0);
    return copied === null
      ? realm.intake.append(replica, user, page).pipe(map(answer))
      : answeredToCopy(admission, copied, page).pipe(map(answer));
  };
  const read = right === 'write' ? (changeset: Changeset) => incomingOf(changeset, limits) : denied;

  return {
    // What goes on after stamps that are there already is taken, however wrong the clock was when they came.
    upload: ({ changesets }) => {
      checkPage(changesets, Math.max(now() + stampAheadMsMax, realm.history.latest, realm.history.horizon));
      return append({ changesets, read });
    },
    withdraw: ({ version, code, objects }) => {
      if (!objects.every(({ type, key }) => isName(type) && isKey(key)))
        throw violation('withdraw: it names what cannot be the name of an object');
      const changeset = { version, time: now(), count: 0, body: noBytes };
      const withdrawn = (): Incoming => refusedFor(changeset, code, 'its client has withdrawn it', objects);
      return append({ changesets: [changeset], read: withdrawn });
    },
  };
};

const noBytes = new Uint8Array(0);
