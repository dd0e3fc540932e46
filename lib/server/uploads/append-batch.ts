import type { Subscriber } from 'rxjs';
import { compareInstants, lastInstantOf } from '../../merge/timestamp.js';
import { bytesOf, type Changeset, type Instant, type RejectedChangeset } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { User } from '../auth/access.js';
import { SessionFailure } from '../server-errors.js';
import type { AcceptedRun, Addition, History, ReplicaRecord } from '../history/history.js';
import type { HistoryRecord } from '../history/history-record.js';
import { type IncomingChangeset, objectsOf, rejectChangeset, type RejectionDetails } from './incoming-changeset.js';
import type { RejectionsByVersion } from './permit-check.js';
import type { Replica } from '../realms/replicas.js';
import { nextRunOf, runOf } from '../realms/accepted-runs.js';

/** What became of changesets: durable up to a version of their replica, or refused. */
export type UploadOutcome = { readonly accepted: Version } | { readonly rejected: RejectedChangeset };

/** Changesets that follow each other, and how each is read. */
export interface UploadedPage {
  readonly changesets: readonly Changeset[];
  readonly read: (changeset: Changeset) => IncomingChangeset;
}

/** A page of changesets that waits for an answer. */
export interface PendingUpload {
  readonly replica: Replica;
  readonly user: User;
  readonly changesets: readonly Changeset[];
  /** What they say. Read when it is first asked for: what only waits takes no more than its bytes. */
  readonly page: readonly IncomingChangeset[];
  readonly subscriber: Subscriber<UploadOutcome>;
}

export const createPendingUpload = (
  who: Pick<PendingUpload, 'replica' | 'user' | 'subscriber'>,
  { changesets, read }: UploadedPage,
): PendingUpload => {
  let page: readonly IncomingChangeset[] | null = null;
  return {
    ...who,
    changesets,
    get page() {
      return (page ??= changesets.map(read));
    },
  };
};

/**
 * Bytes that an upload counts for in a batch, whatever becomes of it: also one that is refused, or came before, takes
 * time.
 */
const weightOf = ({ page }: PendingUpload): number =>
  page.reduce(
    (sum, { changeset, objects = [] }) => sum + bytesOf(changeset) + limits.objectBytesMore * objects.length,
    0,
  );

export const addUpload = (batch: AppendBatch, upload: PendingUpload): void => {
  batch.uploads.push(upload);
  batch.weight += weightOf(upload);
};

type ReplicaProgress = Pick<Replica, 'stamp' | 'lastStamp' | 'run'>;

/** What goes into the history together, while it is put together, and who is told. */
export interface AppendBatch {
  readonly uploads: PendingUpload[];
  readonly changesets: { readonly recorded: HistoryRecord; readonly incoming: IncomingChangeset }[];
  readonly rejected: {
    readonly replica: Replica;
    readonly version: Version;
    readonly rejection: RejectionDetails;
  }[];
  /** How far each replica's changesets are dealt with. */
  readonly accepted: Map<Replica, Version>;
  /** The last changeset of each replica that is dealt with: its stamp, and its run. */
  readonly latest: Map<Replica, ReplicaProgress>;
  /** Runs that begin with it, in order. */
  readonly runs: { readonly replica: Replica; readonly run: AcceptedRun }[];
  /** What is wrong with uploads, of which what was before that is in the draft. */
  readonly failures: Map<PendingUpload, unknown>;
  readonly head: Version;
  readonly bytesBefore: number;
  bytes: number;
  /** Bytes of all uploads in it. */
  weight: number;
}

export const createAppendBatch = ({ log, bytes }: Pick<History, 'log' | 'bytes'>): AppendBatch => ({
  uploads: [],
  changesets: [],
  rejected: [],
  accepted: new Map(),
  latest: new Map(),
  runs: [],
  failures: new Map(),
  head: log.head,
  bytesBefore: bytes,
  bytes: 0,
  weight: 0,
});

/** What of an upload is not dealt with yet; throws a `SessionFailure` when it is not the next. */
export const newChangesetsOf = (
  batch: AppendBatch,
  { replica, page }: PendingUpload,
  horizon: number,
): readonly IncomingChangeset[] => {
  const known = batch.accepted.get(replica) ?? replica.accepted;
  const [first] = page;
  const fresh =
    first !== undefined && first.changeset.version > known
      ? page
      : page.filter(({ changeset }) => changeset.version > known);
  const next = fresh[0]?.changeset.version;
  if (next !== undefined && next !== known + 1)
    throw new SessionFailure('bad-cursor', `changesets are missing between ${known} and ${next}`);
  if (horizon > 0 && fresh.some(({ changeset }) => changeset.time < horizon))
    throw new SessionFailure(
      'history-changed',
      'this was written so long ago that nobody knows any more what it would have to give way to',
    );
  return rejectLateStamps(fresh, (batch.latest.get(replica) ?? replica).lastStamp);
};

/** Changesets of a replica, those refused whose stamps are not later than the one before. */
const rejectLateStamps = (
  fresh: readonly IncomingChangeset[],
  before: Instant | null,
): readonly IncomingChangeset[] => {
  let last = before;
  return fresh.map((incoming) => {
    const { changeset, operations, rejection } = incoming;
    if (rejection !== undefined) return incoming;
    const isLate = last !== null && compareInstants(changeset, last) <= 0;
    if (!isLate) last = lastInstantOf(changeset, operations.length);
    return isLate
      ? rejectChangeset(
          changeset,
          'bad-changeset',
          'it is not stamped later than the one before it',
          objectsOf(incoming),
        )
      : incoming;
  });
};

const pendingRejectionsOf = (batch: AppendBatch, replica: Replica): number =>
  replica.rejected.size + batch.rejected.reduce((sum, refused) => (refused.replica === replica ? sum + 1 : sum), 0);

/** Takes note of the last changeset of a replica that is dealt with, and of a run that begins with it. */
const noteLatest = (
  { latest, runs }: AppendBatch,
  replica: Replica,
  { changeset, operations, rejection }: IncomingChangeset,
): void => {
  const before = latest.get(replica) ?? replica;
  const { version, time, count } = changeset;
  const run = nextRunOf(before.run, runOf(replica.announcedRuns, version), version);
  if (run !== null && run !== before.run) runs.push({ replica, run });
  // A refused changeset may have been withdrawn, or stamped with anything.
  const isKnown = rejection === undefined;
  latest.set(replica, {
    run,
    stamp: isKnown ? { time, count } : null,
    lastStamp: isKnown ? lastInstantOf(changeset, operations.length) : before.lastStamp,
  });
};

/** Puts what of an upload is fresh into the draft, or to what is refused, up to the limit of that. */
export const addChangesets = (
  batch: AppendBatch,
  upload: PendingUpload,
  fresh: readonly IncomingChangeset[],
  refusals: RejectionsByVersion,
  pendingMax: number,
): void => {
  const { replica } = upload;
  let pending = refusals.size > 0 || fresh.some(({ rejection }) => rejection) ? pendingRejectionsOf(batch, replica) : 0;
  let accepted = batch.accepted.get(replica) ?? replica.accepted;
  for (const incoming of fresh) {
    const { version, time, count, body } = incoming.changeset;
    const verdict = incoming.rejection ?? refusals.get(version);
    if (verdict !== undefined && pending >= pendingMax) {
      const text = `more than ${pendingMax} changesets were refused that this replica has not acknowledged`;
      batch.failures.set(upload, new SessionFailure('too-many-refused', text, { after: 0 }));
      break;
    }
    accepted = version;
    noteLatest(batch, replica, incoming);
    if (verdict !== undefined) {
      pending += 1;
      batch.rejected.push({ replica, version, rejection: verdict });
      continue;
    }
    batch.bytes += bytesOf(incoming.changeset);
    const total = batch.bytesBefore + batch.bytes;
    const place = batch.head + batch.changesets.length + 1;
    batch.changesets.push({ recorded: { version: place, origin: replica.id, time, count, body, total }, incoming });
  }
  batch.accepted.set(replica, accepted);
};

/** Whether it is enough for one batch. */
export const isFull = ({ weight, failures, uploads }: AppendBatch): boolean => {
  const last = uploads.at(-1);
  return weight >= limits.uploadBatchBytesMax || (last !== undefined && failures.has(last));
};

/** As the history takes it; `null`: there is nothing in it. */
export const additionOf = ({ head, changesets, accepted, latest, rejected, runs }: AppendBatch): Addition | null => {
  if (changesets.length === 0 && rejected.length === 0) return null;
  const replicas = new Map<string, ReplicaRecord>();
  const refusing = new Set(rejected.map(({ replica }) => replica));
  for (const [replica, version] of accepted) {
    const hasRefused = replica.rejected.size > 0 || refusing.has(replica);
    const { stamp, run } = latest.get(replica) ?? replica;
    replicas.set(replica.id, { user: replica.user, accepted: version, hasRejected: hasRefused, stamp, run });
  }
  return {
    after: head,
    changesets: changesets.map(({ recorded }) => recorded),
    replicas,
    rejected: rejected.map(({ replica, version, rejection }) => ({ replica: replica.id, version, ...rejection })),
    runs: runs.map(({ replica, run }) => ({ replica: replica.id, run })),
  };
};
