import { concat, defer, filter, EMPTY, map, type Observable, of, switchMap } from 'rxjs';
import { follow } from '../../log/follow-log.js';
import type { ObjectState } from '../../merge/object-state.js';
import { lastInstantOf, laterInstantOf } from '../../merge/timestamp.js';
import type {
  Changeset,
  RetentionCutoff,
  Instant,
  ObjectName,
  RejectedChangeset,
  ClientResetKind,
  Run,
  ServerChangeset,
  SetAsideObject,
  WriteLimits,
} from '../../model/changeset.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import { claimOwner } from '../ownership/claim-owner.js';
import { correctClock, type ReceivedServerTime } from './clock-correction.js';
import type { CommitContext, CommitRequest } from '../commit/commit-context.js';
import { forget } from '../objects/forget-tombstones.js';
import { mergePage } from './integrate.js';
import type { Metadata } from '../metadata.js';
import type { Objects } from '../objects/objects.js';
import { objectNamesOf } from '../commit/outbox.js';
import type { OutboxSize } from '../commit/outbox-size.js';
import { rollBackRejected } from '../rejected/rollback.js';
import { clear, isResetting, reset } from './reset-store.js';
import { bindRunsOf } from '../ownership/replica-runs.js';
import { reportOf } from '../objects/set-aside.js';
import { applySnapshot, type DownloadedSnapshot } from './apply-snapshot.js';
import { setWriteLimits } from '../transaction/write-limits.js';
import { toObjectPut } from '../transaction/write.js';

/** A page of the history: changesets of other replicas, and the server version up to which the page is complete. */
export interface HistoryPage {
  readonly changesets: readonly ServerChangeset[];
  readonly upTo: Version;
  /** Bytes of the history up to `upTo`, and of the rest. */
  readonly bytes: number;
  readonly remainingBytes: number;
  /** Number of changesets after this page. */
  readonly remaining?: number;
}

/** The operations that a session needs: the store's side of `SyncedRealm` in the `session` folder. */
export interface SyncApi {
  readonly greeting$: Observable<
    Pick<Metadata, 'replica' | 'history' | 'downloadedTo' | 'acknowledged' | 'includeOwn'> & {
      readonly runs: readonly Run[];
    }
  >;
  readonly outbox$: Observable<OutboxSize>;
  /** The stamp of a changeset in the outbox; `null` if the outbox does not have it. Emits once and completes. */
  readonly stampOf: (version: Version) => Observable<Instant | null>;
  readonly uploads: (
    after: Version,
    accepted$: Observable<Version>,
    pagesMax?: () => number,
  ) => Observable<readonly Changeset[]>;
  /** Merges a page and stores it. After that, emits the objects that the page has set aside, if any. */
  readonly integrate: (page: HistoryPage) => Observable<SetAsideReport>;
  /**
   * Replaces all objects by a snapshot and replays the unsent changes on top, in one batch with the cursor. A snapshot
   * that is not newer than the objects here changes nothing. Afterwards `greeting$` has `includeOwn` until the last
   * page of the history is integrated. Errors with an `UnreadableChangeError` for invalid data; then nothing has
   * changed.
   */
  readonly replace: (snapshot: DownloadedSnapshot) => Observable<SetAsideReport>;
  readonly acknowledge: (version: Version) => Observable<never>;
  /**
   * Rolls back rejected changesets and removes everything up to the last one from the outbox, in one batch. The touched
   * objects get the server state, with the later unsent changesets on top. Pages that follow a rejection must wait for
   * this stream, because they are newer than the server states. Errors with an `UnreadableChangeError` for server
   * states that cannot be decoded.
   */
  readonly rollBack: (...rejections: readonly RejectedChangeset[]) => Observable<SetAsideReport>;
  /**
   * Resets the realm in one batch: see `ClientResetKind`. `recover` makes a new replica and keeps the unsent
   * changesets, those of pending writes included, numbered from 1. Client versions that earlier writes returned become
   * invalid, and earlier `uploads` complete. `rejoin` keeps the replica with its numbers and stamps; if it has done so
   * since the last bind, it does the same as `recover`. Pages, acknowledgements and rejections that arrive while the
   * reset is pending are ignored.
   */
  readonly reset: (mode: ClientResetKind) => Observable<never>;
  readonly adopt: (history: string) => Observable<never>;
  /** Binds the realm to a user: see `claim-owner.ts`. Cold. */
  readonly claim: (user: string) => Observable<never>;
  /** Applies the limits of the server to all later writes, also after a restart. */
  readonly limit: (limits: WriteLimits) => Observable<never>;
  /** The objects that a changeset touches. */
  readonly objectsOf: (changeset: Changeset) => readonly ObjectName[];
  /** Discards everything, rejected writes included: see `clear` of `reset-store.ts`. Eager. */
  readonly clear: () => Observable<never>;
  /** Whether the function of a write is running. */
  readonly isWriting: () => boolean;
  /**
   * Applies the server's time to the stamps of all later writes, also after a restart. Unsent changesets whose stamps
   * are too late get earlier ones, in their order and in one batch; readers see no change. Pages and uploads of a new
   * bind must wait for this stream.
   */
  readonly correct: (serverTime: ReceivedServerTime) => Observable<never>;
  /** Forgets tombstones older than the server's retention cutoff: see `forget-tombstones.ts`. Cold. */
  readonly forget: (cutoff: RetentionCutoff) => Observable<never>;
}

/** The first version that has brought one of these misfits. */
const firstVersionOf = (
  { setAside }: Objects,
  touched: ReturnType<typeof mergePage>['changedObjects'],
  misfits: readonly SetAsideObject[],
): Version => {
  const fresh = new Set<SetAsideObject | null>(misfits);
  const isFresh = (state: ObjectState): boolean => fresh.has(setAside.misfitOf(state));
  return touched.reduce((least, { state, version }) => (isFresh(state) ? Math.min(least, version) : least), Infinity);
};

const integrate = (
  context: CommitContext,
  { changesets, upTo, bytes, remainingBytes, remaining }: HistoryPage,
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
