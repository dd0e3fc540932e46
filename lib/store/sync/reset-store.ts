import { concat, defer, type Observable, switchMap, tap } from 'rxjs';
import { createRandomId } from '../../clock.js';
import { type StampShift, createShiftRebase } from '../../merge/restamp.js';
import { createSuccessorId, lastInstantOf, laterInstantOf, nextInstantOf, writerIdOf } from '../../merge/timestamp.js';
import { limits } from '../../model/limits.js';
import type { Changeset, Instant, ClientResetKind } from '../../model/changeset.js';
import { checkNotWriting, type CommitContext } from '../commit/commit-context.js';
import type { Metadata } from '../metadata.js';
import type { StorageChange } from '../../storage/storage.js';
import type { ObjectChange } from '../objects/object-change.js';
import { toOwnerPut } from '../ownership/owner.js';
import { decodeStoredOperations, rebaseBody } from '../commit/outbox.js';
import { branchOf, toRunsPut, type StoredRun } from '../ownership/replica-runs.js';
import { objectChangesOf, setState, replay, type ObjectStates, readUnsent } from './rebase-pending.js';

/** Whether a client reset is pending. Versions of the old replica are then invalid. */
export const isResetting = ({ optimistic, durable }: CommitContext): boolean =>
  optimistic.replica !== durable().replica;

/** The stamps of changesets that a new replica takes over: new ones, or the old ones. */
type StampMode = 'now' | 'kept';

/** One day less than a server keeps tombstones by default: a margin for the time until the bind. */
const safeRetentionMs = limits.retentionMs - 24 * 60 * 60 * 1000;

/**
 * Rewrites changesets for another replica, including their references to each other. With `now` they get new stamps,
 * because another server may have removed the tombstones that older changesets would have to respect, and rejects
 * changesets of that age. Changesets that were written while the realm was local keep their times within
 * `safeRetentionMs`. If the server's retention is shorter, the next reset gives them new stamps.
 */
const rewriteChangesets = (
  { optimistic, clock }: CommitContext,
  changesets: readonly Changeset[],
  replica: string,
  stamps: StampMode,
): { readonly changesets: readonly Changeset[]; readonly lastInstant: Instant } => {
  const now = clock.now() + optimistic.clockOffset;
  const decoded = changesets.map((changeset) => ({ changeset, operations: decodeStoredOperations(changeset) }));
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

/** Rebuilds all objects from these changesets alone. */
const rebuildObjects = (
  { objects }: CommitContext,
  changesets: readonly Changeset[],
  replica: string,
): readonly ObjectChange[] => {
  const states: ObjectStates = new Map();
  for (const removal of objects.listAllAsRemoved()) setState(states, removal);
  replay(states, changesets, replica, () => true);
  return objectChangesOf(states);
};

/** Deletes the entries that a pending reset has numbered from 1. */
const deletesOfRenumbered = (context: CommitContext): readonly StorageChange[] =>
  isResetting(context) ? context.outbox.toDeleteChanges(context.queuedChangesets()) : [];

/** Changes that are stored in the batch of a client reset. */
interface ResetExtras {
  readonly changes: readonly StorageChange[];
  readonly metadata: Partial<Metadata>;
  readonly stored: () => void;
  /** Whether the subscriptions are removed, too. */
  readonly isClear: boolean;
}

interface NewReplicaOptions {
  readonly stamps?: StampMode;
  readonly extras?: ResetExtras;
}

/** Resets to a new replica with these unsent changesets. */
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
 * Returns the id and runs of the new replica. The id is derived from the first changeset when a copy of this storage
 * may have some of the changesets too.
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

/** A new replica: its id, its changesets numbered from 1, and its clock. */
interface NewReplica {
  readonly replica: string;
  /**
   * The runs that wrote the changesets.
   *
   * @defaultValue the current run
   */
  readonly runs?: readonly StoredRun[] | undefined;
  readonly changesets: readonly Changeset[];
  readonly lastInstant: Instant;
}

/**
 * Resets to another replica. Builds on the state in this event-loop turn, synchronously, so that later writes build on
 * the result.
 */
export const commitNewReplica = (
  context: CommitContext,
  {
    replica,
    changesets,
    lastInstant,
    runs = changesets.length > 0 ? [{ id: context.runId, from: 1 }] : [],
  }: NewReplica,
  extras?: ResetExtras,
): Observable<never> => {
  const { optimistic, objects, outbox } = context;
  checkNotWriting(optimistic, 'A client reset');
  const changed = rebuildObjects(context, changesets, replica); // The new replica has stamped these changesets.
  const staged = objects.stage(changed, { replacesAll: true });
  const view = context.views?.reset(extras?.isClear ?? false);
  const changes = [
    ...staged.changes,
    ...(view?.changes ?? []),
    ...deletesOfRenumbered(context),
    ...outbox.toRestartChanges(optimistic.written, changesets),
    toRunsPut(runs),
    ...(extras?.changes ?? []),
  ];

  optimistic.replica = replica;
  optimistic.instant = lastInstant;
  optimistic.written = changesets.length;
  optimistic.downloadedTo = 0;
  optimistic.includeOwn = false;
  optimistic.acknowledged = 0;
  optimistic.runs = runs;
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
      hasView: false,
      rejectedUpTo: 0,
      ...bytes,
      instant: optimistic.instant,
      runs,
      ...extras?.metadata,
    },
    durable: true,
    stored: () => {
      staged.settle();
      context.resetOutbox(changesets);
      view?.stored();
      extras?.stored();
    },
  });
};

/**
 * Discards all objects, unsent changes and rejected writes in one batch. The realm is then empty and a new replica.
 * Eager: discards everything that was written before the call, durable or not, and nothing that is written after it.
 * Completes when that is durable; errors with a `StorageError`, with nothing discarded. Throws a `RealmClosedError`
 * when the store is closed.
 */
export const clear = (context: CommitContext): Observable<never> => {
  context.checkOpen();
  const { changes, stored, failed } = context.rejectedList.clear(
    context.durable().rejectedCount,
    context.optimistic.rejectedCount,
  );
  // No data of the user is left, so another user may have the realm.
  const owner = { ...context.durable().owner, user: null };
  const extras: ResetExtras = {
    changes: [...changes, toOwnerPut(owner)],
    metadata: { owner, hasBeenBound: false },
    stored,
    isClear: true,
  };
  return resetToNewReplica(context, [], { extras }).pipe(tap({ error: failed }));
};

/**
 * Resets without a new replica: unsent changesets keep their numbers and stamps. If the other history already has some
 * of them, because their acknowledgement was lost, the server recognises them and applies them once.
 */
const resetKeepingReplica = (context: CommitContext, unsent: readonly Changeset[]): Observable<never> => {
  const { optimistic, objects } = context;
  checkNotWriting(optimistic, 'A client reset');
  const changed = rebuildObjects(context, unsent, optimistic.replica);
  optimistic.downloadedTo = 0;
  optimistic.includeOwn = true;
  const staged = objects.stage(changed, { replacesAll: true });
  const view = context.views?.reset(false);
  return context.commit({
    changes: [...staged.changes, ...(view?.changes ?? [])],
    // The realm's own changes were removed, so they must be downloaded too.
    metadata: {
      history: null,
      downloadedTo: 0,
      downloadedBytes: 0,
      headBytes: 0,
      includeOwn: true,
      forgottenBefore: 0,
      hasView: false,
      rejectedUpTo: 0,
    },
    durable: true,
    stored: () => {
      staged.settle();
      view?.stored();
    },
  });
};

/** Resets the realm for another history. Waits for a pending reset first. */
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
      if (replica !== context.optimistic.replica) return reset(context, mode); // Another reset has finished meanwhile.
      const unsent = found.filter(({ version }) => version > context.optimistic.acknowledged);
      // A realm without a history has tried `keepReplica` already.
      if (mode === 'keepReplica' && context.durable().history !== null) return resetKeepingReplica(context, unsent);
      return resetToNewReplica(context, unsent, { stamps: mode === 'recover' ? 'now' : 'kept' });
    }),
  );
};
