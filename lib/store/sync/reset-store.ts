import { concat, defer, type Observable, switchMap, tap } from 'rxjs';
import { createRandomId } from '../../clock.js';
import { type StampShift, createShiftRebase } from '../../merge/restamp.js';
import { createSuccessorId, lastInstantOf, laterInstantOf, nextInstantOf, writerIdOf } from '../../merge/timestamp.js';
import { limits } from '../../model/limits.js';
import type { Changeset, Instant, ClientResetKind } from '../../model/changeset.js';
import { checkNotWriting, type CommitContext } from '../commit/commit-context.js';
import type { Metadata } from '../metadata.js';
import type { StorageChange } from '../../storage/storage.js';
import type { ObjectChange } from '../objects/objects.js';
import { toOwnerPut } from '../ownership/owner.js';
import { readOperations, rebaseBody } from '../commit/outbox.js';
import { branchOf, toRunsPut, type StoredRun } from '../ownership/replica-runs.js';
import { objectChangesOf, setState, replay, type ObjectStates, readUnsent } from './rebase-pending.js';
import { toObjectChange } from '../transaction/write.js';

/** Whether a reset is on its way: what is numbered as before means nothing any more. */
export const isResetting = ({ optimistic, durable }: CommitContext): boolean =>
  optimistic.replica !== durable().replica;

/** Whether what is written again by another replica is written now, or when it was. */
type StampMode = 'now' | 'kept';

/** Less than a server keeps deletes unless it is told otherwise, by what it may take to be bound. */
const safeRetentionMs = limits.retentionMs - 24 * 60 * 60 * 1000;

/**
 * Changesets as another replica writes them: where they name operations of each other, they name them by their new
 * stamps. As written now for another history, because its server may have forgotten deletes that are older than it
 * keeps them, and takes nothing that is as old. What was written while the realm was local keeps its time but for that;
 * if the server keeps deletes for less than most do, it is written now the next time.
 */
const rewriteChangesets = (
  { optimistic, clock }: CommitContext,
  changesets: readonly Changeset[],
  replica: string,
  stamps: StampMode,
): { readonly changesets: readonly Changeset[]; readonly lastInstant: Instant } => {
  const now = clock.now() + optimistic.clockOffset;
  const decoded = changesets.map((changeset) => ({ changeset, operations: readOperations(changeset) }));
  let last: Instant = { time: 0, count: 0 };
  const shifts = decoded.map(({ changeset: { time, count }, operations }): StampShift => {
    const isJoined = writerIdOf(optimistic.replica, time) !== optimistic.replica;
    const at = isJoined ? Math.min(Math.max(time, now - safeRetentionMs), now) : now;
    const to =
      stamps === 'kept'
        ? { time, count }
        : nextInstantOf(isJoined ? last : laterInstantOf(optimistic.instant, last), at);
    last = laterInstantOf(last, lastInstantOf(to, operations.length));
    return { from: { time, count }, operations: operations.length, to };
  });
  const rebase = { ...createShiftRebase(shifts, optimistic.replica), to: replica };
  return {
    lastInstant: laterInstantOf(optimistic.instant, last),
    changesets: decoded.map(({ changeset, operations }, at) => {
      const { time, count } = shifts[at]?.to ?? changeset;
      return { version: at + 1, time, count, body: rebaseBody(changeset.body, operations, rebase) };
    }),
  };
};

/** All objects as these changesets alone make them. */
const rebuildObjects = (
  { objects }: CommitContext,
  changesets: readonly Changeset[],
  replica: string,
): readonly ObjectChange[] => {
  const states: ObjectStates = new Map();
  for (const gone of objects.listAllAsRemoved()) setState(states, gone);
  replay(states, changesets, replica, () => true);
  return objectChangesOf(states);
};

/** Removes the entries that a reset which is on its way has numbered from 1. */
const deletesOfRenumbered = (context: CommitContext): readonly StorageChange[] =>
  isResetting(context)
    ? context.outbox.toReplaceChanges(context.queuedChangesets()).map(({ key }) => ({ type: 'del', key }))
    : [];

/** Changes of the storage that belong into the batch of a reset. */
interface ResetExtras {
  readonly changes: readonly StorageChange[];
  readonly metadata: Partial<Metadata>;
  readonly stored: () => void;
}

interface NewReplicaOptions {
  readonly stamps?: StampMode;
  readonly extras?: ResetExtras;
}

/** Starts over with these unsent changesets. */
export const resetToNewReplica = (
  context: CommitContext,
  unnumbered: readonly Changeset[],
  { stamps = 'now', extras }: NewReplicaOptions = {},
): Observable<never> => {
  const { replica, runs } = createSuccessor(context, unnumbered, stamps);
  return commitNewReplica(
    context,
    { replica, runs, ...rewriteChangesets(context, unnumbered, replica, stamps) },
    extras,
  );
};

/**
 * The replica that starts over with these changesets, and the runs that wrote them, when a copy of this storage may
 * have some of them, too.
 */
const createSuccessor = (
  { optimistic, clock }: CommitContext,
  [first]: readonly Changeset[],
  stamps: StampMode,
): Pick<NewReplica, 'replica' | 'runs'> => {
  if (stamps === 'now') return { replica: createRandomId(clock) };
  if (!first) return { replica: createSuccessorId(optimistic.replica, createRandomId(clock)) };
  const { id, runs } = branchOf(optimistic.replica, optimistic.runs, first.version);
  return { replica: createSuccessorId(optimistic.replica, id), runs };
};

/**
 * What a realm starts over with: another replica, all of its changesets from number 1 on, and where its clock then is.
 */
interface NewReplica {
  readonly replica: string;
  /** The runs that wrote the changesets; the present one, unless it is said. */
  readonly runs?: readonly StoredRun[] | undefined;
  readonly changesets: readonly Changeset[];
  readonly lastInstant: Instant;
}

/**
 * Starts over as another replica. Builds on what is there in this turn, so that what is written from now on builds on
 * it.
 */
export const commitNewReplica = (
  context: CommitContext,
  {
    replica,
    changesets,
    lastInstant,
    runs = changesets.length > 0 ? [{ id: context.runId, from: 1 }] : [],
  }: NewReplica,
  also?: ResetExtras,
): Observable<never> => {
  const { optimistic, objects, outbox } = context;
  checkNotWriting(optimistic, 'A client reset');
  const changed = rebuildObjects(context, changesets, replica); // Who uploads them has stamped them.
  const changes = [
    ...changed.map(toObjectChange),
    ...deletesOfRenumbered(context),
    ...outbox.toRestartChanges(optimistic.written, changesets),
    toRunsPut(runs),
    ...(also?.changes ?? []),
  ];

  optimistic.replica = replica;
  optimistic.instant = lastInstant;
  optimistic.written = changesets.length;
  optimistic.downloadedTo = 0;
  optimistic.includeOwn = false;
  optimistic.acknowledged = 0;
  optimistic.runs = runs;
  objects.stage(changed);
  const bytes = { downloadedBytes: 0, headBytes: 0, acknowledgedBytes: 0 };
  return context.commit({
    changes,
    metadata: {
      replica,
      history: null,
      downloadedTo: 0,
      acknowledged: 0,
      includeOwn: false,
      forgottenBefore: 0,
      ...bytes,
      instant: optimistic.instant,
      runs,
      ...also?.metadata,
    },
    durable: true,
    stored: () => {
      objects.settle(changed);
      context.resetOutbox(changesets);
      also?.stored();
    },
  });
};

/**
 * Discards all objects, unsent changes and rejected writes in one batch: the realm is empty, and a new replica. Eager:
 * includes everything written before the call, on its way or durable, and nothing written after it. Completes when that
 * is durable; errors with a `StorageError`, having discarded nothing. Throws a `RealmClosedError` when the store is
 * closed.
 */
export const clear = (context: CommitContext): Observable<never> => {
  context.checkOpen();
  const { changes, stored, failed } = context.rejectedList.clear(
    context.durable().rejectedCount,
    context.optimistic.rejectedCount,
  );
  const owner = { ...context.durable().owner, user: null }; // Nothing of theirs is left: another user may have it.
  const also: ResetExtras = {
    changes: [...changes, toOwnerPut(owner)],
    metadata: { owner, hasBeenBound: false },
    stored,
  };
  return resetToNewReplica(context, [], { extras: also }).pipe(tap({ error: failed }));
};

/**
 * Starts over as who it is: unsent changesets keep their numbers and stamps, so that what the other history has of
 * them, because it was uploaded and the answer did not come, is known by them and goes in once.
 */
const resetKeepingReplica = (context: CommitContext, unsentOnes: readonly Changeset[]): Observable<never> => {
  const { optimistic, objects } = context;
  checkNotWriting(optimistic, 'A client reset');
  const changed = rebuildObjects(context, unsentOnes, optimistic.replica);
  optimistic.downloadedTo = 0;
  optimistic.includeOwn = true;
  objects.stage(changed);
  return context.commit({
    changes: changed.map(toObjectChange),
    // What it wrote itself has to come down, too: it was put away.
    metadata: {
      history: null,
      downloadedTo: 0,
      downloadedBytes: 0,
      headBytes: 0,
      includeOwn: true,
      forgottenBefore: 0,
    },
    durable: true,
    stored: () => objects.settle(changed),
  });
};

/** Starts over with another history. One after the other: a reset that is on its way is waited for. */
export const reset = (context: CommitContext, mode: ClientResetKind): Observable<never> => {
  if (isResetting(context)) {
    return concat(
      context.waitForCommits(),
      defer(() => reset(context, mode)),
    );
  }
  if (mode === 'discard') return resetToNewReplica(context, []);
  const { replica } = context.optimistic;
  return readUnsent(context, context.optimistic.acknowledged).pipe(
    switchMap((found) => {
      if (replica !== context.optimistic.replica) return reset(context, mode); // Another reset came in between.
      const left = found.filter(({ version }) => version > context.optimistic.acknowledged);
      // Who knows no history has tried that already.
      if (mode === 'rejoin' && context.durable().history !== null) return resetKeepingReplica(context, left);
      return resetToNewReplica(context, left, { stamps: mode === 'recover' ? 'now' : 'kept' });
    }),
  );
};
