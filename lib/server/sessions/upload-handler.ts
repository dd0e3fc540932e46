import { concat, map, throwError, type Observable } from 'rxjs';
import { targetsOf } from '../../merge/operation-codec.js';
import { isKey, isName } from '../../merge/decoders.js';
import { bytesOf, type Changeset, type WriteLimits } from '../../model/changeset.js';
import { limits as defaults } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import { closeCodes, type Accepted, type WriteRejected, type Upload, type Withdraw } from '../../protocol/messages.js';
import { createCloseError } from '../../transport/wire.js';
import type { AcceptedBind } from './bind.js';
import { ReplicaCopiedError, SessionFailure, createProtocolViolation } from '../server-errors.js';
import type { UploadOutcome, UploadedPage } from '../uploads/append-batch.js';
import { type IncomingChangeset, incomingOf, rejectChangeset } from '../uploads/incoming-changeset.js';
import type { ServerLimits } from '../server-options.js';

export interface UploadHandlerOptions {
  readonly session: number;
  readonly acceptedBind: AcceptedBind;
  readonly limits: Pick<ServerLimits, 'pagesInFlightMax' | 'stampAheadMsMax' | keyof WriteLimits>;
  /** The server's clock. */
  readonly now: () => number;
}

/** Throws when changesets are no page that can be appended. */
const checkPage = (changesets: readonly Changeset[], latest: number): void => {
  const first = changesets[0];
  if (first === undefined || changesets.length > defaults.pageChangesetsMax) {
    throw createProtocolViolation(
      `upload must be 1 to ${defaults.pageChangesetsMax} changesets, received ${changesets.length}`,
    );
  }
  if (changesets.slice(0, -1).reduce((sum, each) => sum + bytesOf(each), 0) >= defaults.uploadBytesMax)
    throw createProtocolViolation(`upload: expected a page to end before ${defaults.uploadBytesMax} bytes`);
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

/**
 * What a copy hears of a page: what was refused of the changesets that it shares with the history; then that it is a
 * copy.
 */
const answerCopy = (
  { realm, replica, user }: AcceptedBind,
  copied: Version,
  { changesets, read }: UploadedPage,
): Observable<UploadOutcome> => {
  const shared = changesets.filter(({ version }) => version <= copied);
  const ending$ = throwError(() => new ReplicaCopiedError(copied));
  if (shared.length === 0) return ending$;
  const answers$ = realm.uploadQueue
    .append(replica, user, { changesets: shared, read })
    .pipe(map((outcome) => ('accepted' in outcome ? { accepted: Math.min(outcome.accepted, copied) } : outcome)));
  return shared.at(-1)?.version === copied ? concat(answers$, ending$) : answers$;
};

/** A changeset of a user who may only read. */
const rejectReadOnly = (changeset: Changeset): IncomingChangeset =>
  rejectChangeset(changeset, 'permission-denied', 'this user may not write to this realm', targetsOf(changeset.body));

/**
 * Says whether a session may not be told of a rejection, because what was deleted has been forgotten since it was
 * bound: the state sent with it has no trace of that, and changesets that are decided already would be put on top of it
 * once more, unless the client knows the cutoff. To be made with `bound`, which says it.
 */
const createIsOutdated = ({
  realm: { history },
  replica,
  sharedVersion,
}: AcceptedBind): ((rejected: Version) => boolean) => {
  const knownCutoff = history.retentionCutoffFrom < Infinity ? history.retentionCutoff : 0;
  const decided = sharedVersion ?? replica.accepted;
  return (rejected) => rejected < decided && history.retentionCutoff > knownCutoff;
};

/** The uploads of one session. */
export interface UploadHandler {
  readonly upload: (message: Upload) => Observable<Accepted | WriteRejected>;
  /** A changeset that cannot be uploaded, in its place. */
  readonly withdraw: (message: Withdraw) => Observable<Accepted | WriteRejected>;
}

/**
 * Takes the uploads of one session in, from its `bound` on: checks each, and emits `refused` for what is refused, then
 * `accepted` when the rest is durable, once for all that became durable together. Throws a `SessionFailure` for what
 * cannot be taken, and hangs up on who says more than `pagesInFlightMax` uploads without waiting for an answer.
 */
export const createUploadHandler = ({ session, acceptedBind, limits, now }: UploadHandlerOptions): UploadHandler => {
  const { realm, replica, access, user, sharedVersion } = acceptedBind;
  const { pagesInFlightMax, stampAheadMsMax } = limits;
  const unanswered: Version[] = [];
  const isOutdated = createIsOutdated(acceptedBind);

  const answer = (outcome: UploadOutcome): Accepted | WriteRejected => {
    if ('rejected' in outcome) {
      if (isOutdated(outcome.rejected.version))
        throw new SessionFailure('internal', 'what was deleted long ago was forgotten since this was bound', {
          after: 0,
        });
      return { type: 'refused', session, ...outcome.rejected };
    }
    const { accepted: version } = outcome;
    while (unanswered[0] !== undefined && unanswered[0] <= version) unanswered.shift();
    return { type: 'accepted', session, version };
  };
  const append = (page: UploadedPage): Observable<Accepted | WriteRejected> => {
    if (unanswered.length >= pagesInFlightMax)
      throw createCloseError(closeCodes.tooMuch, `more than ${pagesInFlightMax} uploads without an answer`);
    unanswered.push(page.changesets.at(-1)?.version ?? 0);
    return sharedVersion === null
      ? realm.uploadQueue.append(replica, user, page).pipe(map(answer))
      : answerCopy(acceptedBind, sharedVersion, page).pipe(map(answer));
  };
  const read = access === 'write' ? (changeset: Changeset) => incomingOf(changeset, limits) : rejectReadOnly;

  return {
    // What goes on after stamps that are there already is taken, however wrong the clock was when they came.
    upload: ({ changesets }) => {
      checkPage(
        changesets,
        Math.max(now() + stampAheadMsMax, realm.history.latestStampTime, realm.history.retentionCutoff),
      );
      return append({ changesets, read });
    },
    withdraw: ({ version, code, objects }) => {
      if (!objects.every(({ type, key }) => isName(type) && isKey(key)))
        throw createProtocolViolation('withdraw: it names what cannot be the name of an object');
      const changeset = { version, time: now(), count: 0, body: noBytes };
      const withdrawn = (): IncomingChangeset =>
        rejectChangeset(changeset, code, 'its client has withdrawn it', objects);
      return append({ changesets: [changeset], read: withdrawn });
    },
  };
};

const noBytes = new Uint8Array(0);
