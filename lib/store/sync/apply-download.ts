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

/** A page of the history: changesets of others, and the server version up to which it covers everything. */
export interface HistoryPage {
  readonly changesets: readonly ServerChangeset[];
  readonly upTo: Version;
  /** Bytes of the history up to there, and of what follows. */
  readonly bytes: number;
  readonly remainingBytes: number;
  /** How many changesets follow. */
  readonly remaining?: number;
}

/** What a session asks of a store: `SyncedRealm` of the session room, in this room's words. */
export interface SyncApi {
  readonly greeting$: Observable<
    Pick<Metadata, 'replica' | 'history' | 'downloadedTo' | 'acknowledged' | 'includeOwn'> & {
      readonly runs: readonly Run[];
    }
  >;
  readonly outbox$: Observable<OutboxSize>;
  /** The stamp of a changeset that waits in the outbox; `null`: it does not. Emits once and completes. */
  readonly stampOf: (version: Version) => Observable<Instant | null>;
  readonly uploads: (
    after: Version,
    accepted$: Observable<Version>,
    pagesMax?: () => number,
  ) => Observable<readonly Changeset[]>;
  /** Merges a page and stores it. Emits what that has set aside, if anything, when it is stored. */
  readonly integrate: (page: HistoryPage) => Observable<SetAsideReport>;
  /**
   * Puts a snapshot in the place of all objects, in one batch with its cursor, the unsent changes on top. What is not
   * further than what is here changes nothing. From then on the greeting says `own`, until a page after which nothing
   * remains has been integrated. Errors with an `UnreadableChangeError` for what cannot be read, having changed
   * nothing.
   */
  readonly replace: (snapshot: DownloadedSnapshot) => Observable<SetAsideReport>;
  readonly acknowledge: (version: Version) => Observable<never>;
  /**
   * Takes refused changesets back and everything up to the last one out of the outbox, in one batch: what they touched
   * becomes what stands, with the later unsent changesets on top. Errors with an `UnreadableChangeError` for what
   * stands and cannot be read. Pages that come after a refusal have to wait for it: they are newer than what stands.
   */
  readonly rollBack: (...refusals: readonly RejectedChangeset[]) => Observable<SetAsideReport>;
  /**
   * Starts over as a new replica, in one batch. `recover` keeps what was not acknowledged, writes under way included,
   * and numbers it from 1: versions that writes gave before mean nothing any more. `uploads` of before complete. While
   * it is on its way, pages, acknowledgements and refusals of the history that is left behind change nothing. `rejoin`
   * stays the same replica, with numbers and stamps as they are, unless it has done so already and was bound to no
   * history since: then it is `recover`.
   */
  readonly reset: (mode: ClientResetKind) => Observable<never>;
  readonly adopt: (history: string) => Observable<never>;
  /** Ties the realm to a user: see `claim`. Cold. */
  readonly claim: (user: string) => Observable<never>;
  /** Checks each write by what the server takes from now on, also after a restart. */
  readonly limit: (limits: WriteLimits) => Observable<never>;
  /** The objects that a changeset touches. */
  readonly objectsOf: (changeset: Changeset) => readonly ObjectName[];
  /** Discards everything, rejected writes included: see `clear` of `reset-store.ts`. Eager. */
  readonly clear: () => Observable<never>;
  /** Whether the function of a write is running. */
  readonly isWriting: () => boolean;
  /**
   * Stamps what is written from now on by the server's time, also after a restart; and, in one batch, what was stamped
   * too late and never went out, in its order, so that nothing that readers see changes. Pages and uploads of a new
   * bind have to wait for it.
   */
  readonly correct: (told: ReceivedServerTime) => Observable<never>;
  /** Forgets what was deleted or removed before the server's horizon: see `forget`. Cold. */
  readonly forget: (horizon: RetentionCutoff) => Observable<never>;
}

/** The version that was the first to bring one of these. */
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
  const { changedObjects, instant: witnessed } = mergePage(objects, optimistic.remoteInstant, changesets);
  const instant = laterInstantOf(optimistic.instant, witnessed);
  optimistic.instant = instant;
  optimistic.remoteInstant = witnessed;
  optimistic.downloadedTo = upTo;
  if (remaining === 0) optimistic.includeOwn = false;
  const misfits = objects.stage(changedObjects);
  const task: CommitRequest = {
    changes: changedObjects.map(toObjectPut),
    metadata: {
      ...{
        instant,
        remoteInstant: witnessed,
        downloadedTo: upTo,
        downloadedBytes: bytes,
        headBytes: bytes + remainingBytes,
      },
      ...(remaining === 0 && { includeOwn: false }),
    },
    durable: false, // Lost in a power cut, it is downloaded again: the cursor is in the same batch.
    stored: () => objects.settle(changedObjects),
  };
  return context.commit(
    task,
    reportOf(objects, misfits, () => firstVersionOf(objects, changedObjects, misfits)),
  );
};

/** Takes entries out of the outbox up to one of them. */
const trimOutbox = (
  context: CommitContext,
  { version, time, count, body }: Changeset,
  replica: string,
): Observable<never> => {
  const { optimistic, outbox, outboxSize } = context;
  if (isResetting(context) || replica !== optimistic.replica || version <= optimistic.acknowledged)
    return context.waitForCommits();
  // An operation takes more than a byte.
  const witnessed = laterInstantOf(optimistic.remoteInstant, lastInstantOf({ time, count }, body.byteLength));
  optimistic.acknowledged = version;
  optimistic.remoteInstant = witnessed;
  return context.commit({
    changes: outbox.toTrimChanges(version),
    metadata: {
      acknowledged: version,
      acknowledgedBytes: outboxSize.countBytesUpTo(version),
      remoteInstant: witnessed,
    },
    durable: false, // Forgotten in a power cut, the next bind says it again.
    stored: () => {
      outbox.confirmTrim(version);
      outboxSize.acknowledge(version);
    },
  });
};

/**
 * Takes a batch's worth out of the outbox, then the rest. What is acknowledged stays so: an earlier version changes
 * nothing.
 */
export const acknowledge = (context: CommitContext, version: Version, replica: string): Observable<never> => {
  const { optimistic, outbox } = context;
  if (isResetting(context) || replica !== optimistic.replica) return context.waitForCommits(); // Its versions are no more.
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
 * The outbox as it is when a page of it is read: what was acknowledged or refused since somebody wanted the page is not
 * there any more. What was gone before is an error.
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
  rollBack: (...refusals) => defer(() => rollBackRejected(context, refusals)),
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
  correct: (told) => defer(() => correctClock(context, told)),
  forget: (horizon) => defer(() => forget(context, horizon)),
});
