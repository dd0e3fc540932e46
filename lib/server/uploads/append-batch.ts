import type { Subscriber } from 'rxjs';
import { compareInstants, lastInstantOf } from '../../merge/timestamp.js';
import { bytesOf, type Changeset, type Instant, type RejectedChangeset } from '../../model/changeset.js';
import { serverLimits } from '../server-limits.js';
import type { Version } from '../../model/version.js';
import type { User } from '../auth/access.js';
import { SessionFailure } from '../server-errors.js';
import type { ServedScope } from '../scope/served-scope.js';
import type { KnownChanges } from '../history/head-state.js';
import type { AcceptedRun, Addition, History, ReplicaRecord } from '../history/history.js';
import type { HistoryRecord } from '../history/history-record.js';
import { type IncomingChangeset, objectsOf, rejectChangeset, type RejectionDetails } from './incoming-changeset.js';
import type { RejectionsByVersion } from './permit-check.js';
import type { Replica } from '../realms/replicas.js';
import { nextRunOf, runOf } from '../realms/accepted-runs.js';

/** The outcome of changesets: durable up to a version of their replica, or one rejected changeset. */
export type UploadOutcome = { readonly accepted: Version } | RejectedOutcome;

/** A rejected changeset. */
export interface RejectedOutcome {
  readonly rejected: RejectedChangeset;
  /** The objects that the user could see when its server states were read; `null`: all. */
  readonly scope: ServedScope | null;
}

/** Consecutive changesets, and the function that reads each one. */
export interface UploadedPage {
  readonly changesets: readonly Changeset[];
  readonly read: (changeset: Changeset, needsOperations: boolean) => IncomingChangeset;
  /** Returns the objects that the user may see now; `null`: all. */
  readonly scope: () => ServedScope | null;
}

/** A page of changesets that waits for an answer. */
export interface PendingUpload {
  readonly replica: Replica;
  readonly user: User;
  readonly changesets: readonly Changeset[];
  readonly scope: UploadedPage['scope'];
  /**
   * The checked changesets. Checked at the first access, so that a waiting page needs no more memory than its bytes.
   */
  readonly page: readonly IncomingChangeset[];
  readonly subscriber: Subscriber<UploadOutcome>;
}

export const createPendingUpload = (
  upload: Pick<PendingUpload, 'replica' | 'user' | 'subscriber'>,
  { changesets, read, scope }: UploadedPage,
  needsOperations: () => boolean,
): PendingUpload => {
  let page: readonly IncomingChangeset[] | null = null;
  return {
    ...upload,
    changesets,
    scope,
    get page() {
      if (page !== null) return page;
      const isRead = needsOperations();
      return (page = changesets.map((changeset) => read(changeset, isRead)));
    },
  };
};

/**
 * Returns the bytes that an upload counts in a batch, whatever its outcome. Rejected and repeated uploads need time,
 * too.
 */
const weightOf = ({ page }: PendingUpload): number =>
  page.reduce(
    (sum, { changeset, objects = [] }) => sum + bytesOf(changeset) + serverLimits.objectBytesMore * objects.length,
    0,
  );

export const addUpload = (batch: AppendBatch, upload: PendingUpload): void => {
  batch.uploads.push(upload);
  batch.weight += weightOf(upload);
};

type ReplicaProgress = Pick<Replica, 'stamp' | 'lastStamp' | 'run'>;

/** Changesets that go into the history together, while the batch is built, and the uploads to answer. */
export interface AppendBatch {
  readonly uploads: PendingUpload[];
  readonly recorded: HistoryRecord[];
  /** The received form of each changeset in `recorded`. */
  readonly incoming: IncomingChangeset[];
  readonly rejected: {
    readonly replica: Replica;
    readonly version: Version;
    readonly rejection: RejectionDetails;
  }[];
  /** For each replica, the client version up to which its changesets are decided. */
  readonly accepted: Map<Replica, Version>;
  /** Stamp and run of the last decided changeset of each replica. */
  readonly latest: Map<Replica, ReplicaProgress>;
  /** Runs that begin in this batch, in order. */
  readonly runs: { readonly replica: Replica; readonly run: AcceptedRun }[];
  /** Errors of uploads. The changesets of an upload before its error stay in the batch. */
  readonly failures: Map<PendingUpload, unknown>;
  readonly head: Version;
  readonly bytesBefore: number;
  bytes: number;
  /** The changes of objects, if they were read to record touches. */
  known: KnownChanges | null;
  /** Bytes of all uploads in the batch. */
  weight: number;
}

export const createAppendBatch = ({ log, bytes }: Pick<History, 'log' | 'bytes'>): AppendBatch => ({
  uploads: [],
  recorded: [],
  incoming: [],
  rejected: [],
  accepted: new Map(),
  latest: new Map(),
  runs: [],
  failures: new Map(),
  head: log.head,
  bytesBefore: bytes,
  bytes: 0,
  known: null,
  weight: 0,
});

/**
 * Returns the changesets of an upload that are not decided yet. Throws a `SessionFailure` if they do not continue after
 * those, or are older than the retention cutoff.
 */
export const newChangesetsOf = (
  batch: AppendBatch,
  { replica, page }: PendingUpload,
  cutoff: number,
): readonly IncomingChangeset[] => {
  const known = batch.accepted.get(replica) ?? replica.accepted;
  const [first] = page;
  const fresh =
    first !== undefined && first.changeset.version > known
      ? page
      : page.filter(({ changeset }) => changeset.version > known);
  const next = fresh[0]?.changeset.version;
  if (next !== undefined && next !== known + 1)
    throw new SessionFailure('bad-cursor', `Changesets are missing between ${known} and ${next}.`);
  if (cutoff > 0 && fresh.some(({ changeset }) => changeset.time < cutoff))
    throw new SessionFailure(
      'history-changed',
      "This change is older than the server's retention period and can no longer be merged.",
    );
  return rejectLateStamps(fresh, (batch.latest.get(replica) ?? replica).lastStamp);
};

/** Whether the stamps of all changesets rise, as those of correct replicas do. Creates nothing (measured). */
const haveRisingStamps = (fresh: readonly IncomingChangeset[], before: Instant | null): boolean => {
  let lastTime = before?.time ?? -1;
  let lastCount = before?.count ?? 0;
  for (const { changeset, operationCount, rejection } of fresh) {
    const { time, count } = changeset;
    if (rejection !== undefined || time < lastTime || (time === lastTime && count <= lastCount)) return false;
    lastTime = time;
    lastCount = count + operationCount - 1;
  }
  return true;
};

/** Rejects changesets of a replica whose stamp is not later than that of the one before. */
const rejectLateStamps = (
  fresh: readonly IncomingChangeset[],
  before: Instant | null,
): readonly IncomingChangeset[] => {
  if (haveRisingStamps(fresh, before)) return fresh;
  let last = before;
  return fresh.map((incoming) => {
    const { changeset, operationCount, rejection } = incoming;
    if (rejection !== undefined) return incoming;
    const isLate = last !== null && compareInstants(changeset, last) <= 0;
    if (!isLate) last = lastInstantOf(changeset, operationCount);
    return isLate
      ? rejectChangeset(
          changeset,
          'bad-changeset',
          'The change is not stamped later than the one before it.',
          objectsOf(incoming),
        )
      : incoming;
  });
};

const pendingRejectionsOf = (batch: AppendBatch, replica: Replica): number =>
  replica.rejected.size + batch.rejected.reduce((sum, pending) => (pending.replica === replica ? sum + 1 : sum), 0);

/** Returns the run of a changeset, and adds a run that begins with it to the batch. */
const noteRun = (
  { runs }: AppendBatch,
  replica: Replica,
  before: AcceptedRun | null,
  version: Version,
): AcceptedRun | null => {
  const run = nextRunOf(before, runOf(replica.announcedRuns, version), version);
  if (run !== null && run !== before) runs.push({ replica, run });
  return run;
};

/** Returns the progress of a replica after its last decided changeset, and its last one with a valid stamp. */
const progressOf = (
  run: AcceptedRun | null,
  { changeset: { time, count }, rejection }: IncomingChangeset,
  known: IncomingChangeset | null,
  lastStamp: Instant | null,
): ReplicaProgress => ({
  run,
  stamp: rejection === undefined ? { time, count } : null,
  lastStamp: known === null ? lastStamp : lastInstantOf(known.changeset, known.operationCount),
});

/** Adds the new changesets of an upload to the batch, or to its rejections, up to the limit of pending rejections. */
export const addChangesets = (
  batch: AppendBatch,
  upload: PendingUpload,
  fresh: readonly IncomingChangeset[],
  rejections: RejectionsByVersion,
  pendingMax: number,
): void => {
  const { replica } = upload;
  let pending =
    rejections.size > 0 || fresh.some(({ rejection }) => rejection) ? pendingRejectionsOf(batch, replica) : 0;
  let accepted = batch.accepted.get(replica) ?? replica.accepted;
  const before = batch.latest.get(replica) ?? replica;
  let { run } = before;
  let decided: IncomingChangeset | null = null;
  let known: IncomingChangeset | null = null;
  for (const incoming of fresh) {
    const { version, time, count, body } = incoming.changeset;
    const rejection = incoming.rejection ?? rejections.get(version);
    if (rejection !== undefined && pending >= pendingMax) {
      const text = `The replica has more than ${pendingMax} rejected changesets that it has not acknowledged. Bind again.`;
      batch.failures.set(upload, new SessionFailure('too-many-refused', text, { after: 0 }));
      break;
    }
    accepted = version;
    run = noteRun(batch, replica, run, version);
    decided = incoming;
    // A rejected changeset may have been withdrawn, or may have an invalid stamp.
    if (incoming.rejection === undefined) known = incoming;
    if (rejection !== undefined) {
      pending += 1;
      batch.rejected.push({ replica, version, rejection });
      continue;
    }
    batch.bytes += bytesOf(incoming.changeset);
    const total = batch.bytesBefore + batch.bytes;
    const serverVersion = batch.head + batch.recorded.length + 1;
    batch.recorded.push({ version: serverVersion, origin: replica.id, time, count, body, total });
    batch.incoming.push(incoming);
  }
  batch.accepted.set(replica, accepted);
  if (decided !== null) batch.latest.set(replica, progressOf(run, decided, known, before.lastStamp));
};

/** Whether the batch is large enough to be written. */
export const isFull = ({ weight, failures, uploads }: AppendBatch): boolean => {
  const last = uploads.at(-1);
  return weight >= serverLimits.uploadBatchBytesMax || (last !== undefined && failures.has(last));
};

/** Returns the batch in the form that the history appends; `null` if the batch is empty. */
export const additionOf = ({ head, recorded, accepted, latest, rejected, runs }: AppendBatch): Addition | null => {
  if (recorded.length === 0 && rejected.length === 0) return null;
  const replicas = new Map<string, ReplicaRecord>();
  const rejectedReplicas = new Set(rejected.map(({ replica }) => replica));
  for (const [replica, version] of accepted) {
    const hasRejected = replica.rejected.size > 0 || rejectedReplicas.has(replica);
    const { stamp, run } = latest.get(replica) ?? replica;
    replicas.set(replica.id, { user: replica.user, accepted: version, hasRejected, stamp, run });
  }
  return {
    after: head,
    changesets: recorded,
    replicas,
    rejected: rejected.map(({ replica, version, rejection }) => ({ replica: replica.id, version, ...rejection })),
    runs: runs.map(({ replica, run }) => ({ replica: replica.id, run })),
  };
};
