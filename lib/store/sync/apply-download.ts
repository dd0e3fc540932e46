import { concat, defer, filter, EMPTY, map, type Observable, of, switchMap } from 'rxjs';
import { follow } from '../../log/follow-log.js';
import type { ObjectState } from '../../merge/object-state.js';
import { lastInstantOf, laterInstantOf } from '../../merge/timestamp.js';
import type { Changeset, SetAsideObject } from '../../model/changeset.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import { limits } from '../../model/limits.js';
import type { DownloadPage, SyncedRealm } from '../../model/sync-port.js';
import type { Version } from '../../model/version.js';
import { claimOwner } from '../ownership/claim-owner.js';
import { correctClock } from './clock-correction.js';
import type { CommitContext, CommitRequest } from '../commit/commit-context.js';
import { forget } from '../objects/forget-tombstones.js';
import { mergePage } from './integrate.js';
import type { Objects } from '../objects/objects.js';
import { objectNamesOf } from '../commit/outbox.js';
import { rollBackRejected } from '../rejected/rollback.js';
import { clear, isResetting, reset } from './reset-store.js';
import { bindRunsOf } from '../ownership/replica-runs.js';
import { reportOf } from '../objects/set-aside.js';
import { applySnapshot } from './apply-snapshot.js';
import { setWriteLimits } from '../transaction/write-limits.js';
import { toObjectPut } from '../transaction/write.js';

/** The store's side of a sync session, with the operations that only the client needs. */
export interface SyncApi extends SyncedRealm {
  readonly uploads: (
    after: Version,
    accepted$: Observable<Version>,
    pagesMax?: () => number,
  ) => Observable<readonly Changeset[]>;
  /** Discards everything, rejected writes included: see `clear` of `reset-store.ts`. Eager. */
  readonly clear: () => Observable<never>;
  /** Whether the function of a write is running. */
  readonly isWriting: () => boolean;
}

/** The first version that has brought one of these misfits. */
const firstVersionOf = (
  { setAside }: Objects,
  touched: ReturnType<typeof mergePage>['changedObjects'],
  misfits: readonly SetAsideObject[],
): Version => {
  const newMisfits = new Set<SetAsideObject | null>(misfits);
  const isNew = (state: ObjectState): boolean => newMisfits.has(setAside.misfitOf(state));
  return touched.reduce((least, { state, version }) => (isNew(state) ? Math.min(least, version) : least), Infinity);
};

const integrate = (
  context: CommitContext,
  { changesets, upTo, bytes, remainingBytes, remaining }: DownloadPage,
): Observable<SetAsideReport> => {
  const { optimistic, objects } = context;
  if (upTo <= optimistic.downloadedTo || isResetting(context)) return context.waitForCommits();
  const { changedObjects, instant: remoteInstant } = mergePage(objects, optimistic.remoteInstant, changesets);
  const instant = laterInstantOf(optimistic.instant, remoteInstant);
  optimistic.instant = instant;
  optimistic.remoteInstant = remoteInstant;
  optimistic.downloadedTo = upTo;
  if (remaining === 0) optimistic.includeOwn = false;
  const misfits = objects.stage(changedObjects);
  const task: CommitRequest = {
    changes: changedObjects.map(toObjectPut),
    metadata: {
      ...{
        instant,
        remoteInstant,
        downloadedTo: upTo,
        downloadedBytes: bytes,
        headBytes: bytes + remainingBytes,
      },
      ...(remaining === 0 && { includeOwn: false }),
    },
    durable: false, // After a power cut the page is downloaded again: the cursor is in the same batch.
    stored: () => objects.settle(changedObjects),
  };
  return context.commit(
    task,
    reportOf(objects, misfits, () => firstVersionOf(objects, changedObjects, misfits)),
  );
};

/** Removes the entries of the outbox up to one of them. */
const trimOutbox = (
  context: CommitContext,
  { version, time, count, body }: Changeset,
  replica: string,
): Observable<never> => {
  const { optimistic, outbox, outboxSize } = context;
  if (isResetting(context) || replica !== optimistic.replica || version <= optimistic.acknowledged)
    return context.waitForCommits();
  // Each operation has at least one byte, so this is not before the last stamp of the changeset.
  const remoteInstant = laterInstantOf(optimistic.remoteInstant, lastInstantOf({ time, count }, body.byteLength));
  optimistic.acknowledged = version;
  optimistic.remoteInstant = remoteInstant;
  return context.commit({
    changes: outbox.toTrimChanges(version),
    metadata: {
      acknowledged: version,
      acknowledgedBytes: outboxSize.countBytesUpTo(version),
      remoteInstant,
    },
    durable: false, // After a power cut the next bind reports it again.
    stored: () => {
      outbox.confirmTrim(version);
      outboxSize.acknowledge(version);
    },
  });
};

/**
 * Removes acknowledged entries from the outbox, in batches of limited size. A version that is already acknowledged
 * changes nothing.
 */
export const acknowledge = (context: CommitContext, version: Version, replica: string): Observable<never> => {
  const { optimistic, outbox } = context;
  // The versions of another replica are invalid now.
  if (isResetting(context) || replica !== optimistic.replica) return context.waitForCommits();
  const goal = Math.min(version, outbox.head);
  if (goal <= outbox.floor) return EMPTY;
  if (goal <= optimistic.acknowledged) return context.waitForCommits();
  const upTo = Math.min(goal, optimistic.acknowledged + limits.trimEntriesMax);
  const taken = outbox
    .page(upTo - 1)
    .pipe(switchMap(({ entries: [last] }) => (last ? trimOutbox(context, last, replica) : context.waitForCommits())));
  return concat(
    taken,
    defer(() => acknowledge(context, version, replica)),
  );
};

/**
 * A view of the outbox that skips entries which were acknowledged or rejected after the page was requested. Entries
 * that were missing before are an error.
 */
const readRemaining = (
  outbox: CommitContext['outbox'],
  after: Version,
): Pick<CommitContext['outbox'], 'head' | 'head$' | 'page'> => {
  const wasThere = after >= outbox.floor;
  return {
    get head() {
      return outbox.head;
    },
    head$: outbox.head$,
    page: (from) => defer(() => outbox.page(wasThere ? Math.max(from, outbox.floor) : from)),
  };
};

export const createSyncApi = (context: CommitContext): SyncApi => ({
  greeting$: defer(() => of(context.durable())).pipe(
    map(({ replica, history, downloadedTo, acknowledged, includeOwn, runs }) => ({
      ...{ replica, history, downloadedTo, acknowledged, includeOwn },
      runs: bindRunsOf(runs, context.runId, { acknowledged, written: context.outbox.head }),
    })),
  ),
  outbox$: context.outboxSize.outbox$,
  stampOf: (version) =>
    defer(() => {
      const { floor, head } = context.outbox;
      if (version <= floor || version > head) return of(null);
      return context.outbox.page(version - 1).pipe(map(({ entries: [first] }) => first ?? null));
    }),
  uploads: (after, accepted$, pagesMax = () => limits.pagesInFlightMax) =>
    follow(readRemaining(context.outbox, after), { after, done$: accepted$, pagesMax }).pipe(
      filter(({ entries }) => entries.length > 0),
      map(({ entries, upTo }) => {
        const { replica, lastSent } = context.optimistic;
        const before = lastSent.replica === replica ? lastSent.version : 0;
        context.optimistic.lastSent = { replica, version: Math.max(before, upTo) };
        return entries;
      }),
    ),
  integrate: (page) => defer(() => integrate(context, page)),
  replace: (snapshot) => defer(() => applySnapshot(context, snapshot)),
  acknowledge: (version) => defer(() => acknowledge(context, version, context.optimistic.replica)),
  rollBack: (...rejections) => defer(() => rollBackRejected(context, rejections)),
  reset: (mode) => defer(() => reset(context, mode)),
  clear: () => clear(context),
  isWriting: () => context.optimistic.isWriting,
  adopt: (history) =>
    defer(() =>
      context.commit({
        changes: [],
        metadata: { history, hasBeenBound: true },
        durable: true,
        stored: () => undefined,
      }),
    ),
  claim: (user) => claimOwner(context, { realm: context.durable().owner.realm ?? '', user }),
  limit: (limits) => defer(() => setWriteLimits(context, limits)),
  objectsOf: objectNamesOf,
  correct: (serverTime) => defer(() => correctClock(context, serverTime)),
  forget: (cutoff) => defer(() => forget(context, cutoff)),
});
