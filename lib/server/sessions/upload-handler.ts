import { concat, concatAll, map, throwError, type Observable } from 'rxjs';
import { targetsOf } from '../../merge/operation-codec.js';
import { isKey, isName } from '../../merge/decoders.js';
import { bytesOf, type Changeset, type WriteLimits } from '../../model/changeset.js';
import { limits as defaults } from '../../model/limits.js';
import { serverLimits } from '../server-limits.js';
import type { Version } from '../../model/version.js';
import { closeCodes, type Accepted, type WriteRejected, type Upload, type Withdraw } from '../../protocol/messages.js';
import { createCloseError } from '../../transport/wire.js';
import type { AcceptedBind } from './bind.js';
import { ReplicaCopiedError, SessionFailure, createProtocolViolation } from '../server-errors.js';
import type { UploadOutcome, UploadedPage } from '../uploads/append-batch.js';
import { type IncomingChangeset, incomingOf, rejectChangeset } from '../uploads/incoming-changeset.js';
import { createOutcomeOrder } from './shown-outcomes.js';
import type { ServerLimits } from '../server-options.js';

export interface UploadHandlerOptions {
  readonly session: number;
  readonly acceptedBind: AcceptedBind;
  readonly limits: Pick<ServerLimits, 'pagesInFlightMax' | 'stampAheadMsMax' | keyof WriteLimits>;
  readonly isOutdated: IsOutdated;
  readonly scope: UploadedPage['scope'];
  /**
   * Subscribed before a rejection is sent without the state of an object, which the client may have. `null`: the server
   * hides no objects.
   */
  readonly hidden$: Observable<never> | null;
  /** The server's clock. */
  readonly now: () => number;
}

/** Throws unless the changesets form a page that can be appended. */
const checkPage = (changesets: readonly Changeset[], latestTime: number): void => {
  const first = changesets[0];
  if (first === undefined || changesets.length > defaults.pageChangesetsMax) {
    throw createProtocolViolation(
      `upload must be 1 to ${defaults.pageChangesetsMax} changesets, received ${changesets.length}.`,
    );
  }
  let bytes = 0;
  let expected = first.version;
  for (const changeset of changesets) {
    const { version, time } = changeset;
    if (bytes >= serverLimits.uploadBytesMax)
      throw createProtocolViolation(`upload: a page must end before ${serverLimits.uploadBytesMax} bytes.`);
    bytes += bytesOf(changeset);
    if (version !== expected) throw new SessionFailure('bad-cursor', `Changeset ${expected} is missing.`);
    expected += 1;
    // One of the two clocks is wrong. The client corrects its stamps with each bind, and tries again.
    if (time > latestTime)
      throw new SessionFailure(
        'stamped-ahead',
        `Changeset ${version} is stamped too far ahead of the server's clock.`,
        'later',
      );
  }
};

/**
 * Answers the upload of a copy: first the rejections among the changesets that it shares with the history, then the
 * error that it is a copy.
 */
const answerCopy = (
  { realm, replica, user }: AcceptedBind,
  sharedVersion: Version,
  { changesets, read, scope }: UploadedPage,
): Observable<UploadOutcome> => {
  const shared = changesets.filter(({ version }) => version <= sharedVersion);
  const copyError$ = throwError(() => new ReplicaCopiedError(sharedVersion));
  if (shared.length === 0) return copyError$;
  const answers$ = realm.uploadQueue
    .append(replica, user, { changesets: shared, read, scope })
    .pipe(
      map((outcome) => ('accepted' in outcome ? { accepted: Math.min(outcome.accepted, sharedVersion) } : outcome)),
    );
  return shared.at(-1)?.version === sharedVersion ? concat(answers$, copyError$) : answers$;
};

/** Rejects a changeset of a user with read access only. */
const rejectReadOnly = (changeset: Changeset): IncomingChangeset =>
  rejectChangeset(changeset, 'permission-denied', 'The user may not write to this realm.', targetsOf(changeset.body));

/** Whether a rejection of this client version must not be sent. */
export type IsOutdated = (rejected: Version) => boolean;

/**
 * Returns a test whether a rejection must not be sent because tombstones were removed since the session was bound. The
 * server states of the rejection contain no trace of such a tombstone. The client would apply its decided changesets to
 * them again, unless it knows the cutoff. Create the test together with `bound`, which contains the cutoff.
 */
export const createIsOutdated = ({ realm: { history }, replica, sharedVersion }: AcceptedBind): IsOutdated => {
  const knownCutoff = history.retentionCutoffFrom < Infinity ? history.retentionCutoff : 0;
  const decided = sharedVersion ?? replica.accepted;
  return (rejected) => rejected < decided && history.retentionCutoff > knownCutoff;
};

/** Handles the uploads of one session. */
export interface UploadHandler {
  readonly upload: (message: Upload) => Observable<Accepted | WriteRejected>;
  /** Handles a changeset that the client cannot upload, in the order of uploads. */
  readonly withdraw: (message: Withdraw) => Observable<Accepted | WriteRejected>;
}

/**
 * Creates the upload handler of one session, at its first upload. Emits `refused` for each rejected changeset, then
 * `accepted` when the others are durable, once for all that became durable together. Throws a `SessionFailure` for a
 * page that cannot be accepted. Ends the connection if the client sends more than `pagesInFlightMax` uploads without
 * waiting for an answer.
 */
export const createUploadHandler = ({
  session,
  acceptedBind,
  limits,
  isOutdated,
  scope,
  hidden$,
  now,
}: UploadHandlerOptions): UploadHandler => {
  const { realm, replica, access, user, sharedVersion } = acceptedBind;
  const { pagesInFlightMax, stampAheadMsMax } = limits;
  const unanswered: Version[] = [];
  const inOrder = hidden$ === null ? null : createOutcomeOrder(scope, hidden$);

  const answer = (outcome: UploadOutcome): Accepted | WriteRejected => {
    if ('rejected' in outcome) {
      if (isOutdated(outcome.rejected.version))
        throw new SessionFailure('internal', 'Tombstones were removed since the session was bound. Bind again.', {
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
      throw createCloseError(closeCodes.tooMuch, `More than ${pagesInFlightMax} uploads are without an answer.`);
    unanswered.push(page.changesets.at(-1)?.version ?? 0);
    const outcomes$ =
      sharedVersion === null
        ? realm.uploadQueue.append(replica, user, page)
        : answerCopy(acceptedBind, sharedVersion, page);
    return inOrder === null ? outcomes$.pipe(map(answer)) : outcomes$.pipe(map(inOrder), concatAll(), map(answer));
  };
  const read =
    access === 'write'
      ? (changeset: Changeset, needsOperations: boolean) => incomingOf(changeset, limits, needsOperations)
      : rejectReadOnly;

  return {
    // Changesets that follow stamps of the history are accepted, however wrong the clock was when those were written.
    upload: ({ changesets }) => {
      checkPage(
        changesets,
        Math.max(now() + stampAheadMsMax, realm.history.latestStampTime, realm.history.retentionCutoff),
      );
      return append({ changesets, read, scope });
    },
    withdraw: ({ version, code, objects }) => {
      if (!objects.every(({ type, key }) => isName(type) && isKey(key)))
        throw createProtocolViolation('withdraw: an object has an invalid type or key.');
      const changeset = { version, time: now(), count: 0, body: noBytes };
      const rejectWithdrawn = (): IncomingChangeset =>
        rejectChangeset(changeset, code, 'The client has withdrawn the change.', objects);
      return append({ changesets: [changeset], read: rejectWithdrawn, scope });
    },
  };
};

const noBytes = new Uint8Array(0);
