import { defer, filter, map, type Observable, of } from 'rxjs';
import { follow } from '../../log/follow-log.js';
import type { Changeset } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { SyncedRealm } from '../../model/sync-port.js';
import type { Version } from '../../model/version.js';
import { claimOwner } from '../ownership/claim-owner.js';
import { correctClock } from './clock-correction.js';
import type { CommitContext } from '../commit/commit-context.js';
import { forget } from '../objects/forget-tombstones.js';
import { objectNamesOf } from '../commit/outbox.js';
import { rollBackRejected } from '../rejected/rollback.js';
import { clear, reset } from './reset-store.js';
import { bindRunsOf } from '../ownership/replica-runs.js';
import { applySnapshot } from './apply-snapshot.js';
import { setWriteLimits } from '../transaction/write-limits.js';
import { noView } from '../../model/view.js';
import { applyDownload } from './apply-download.js';
import { acknowledge } from './trim-outbox.js';

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
    map(({ replica, history, downloadedTo, acknowledged, includeOwn, runs, rejectedUpTo }) => ({
      ...{ replica, history, downloadedTo, acknowledged, includeOwn },
      runs: bindRunsOf(runs, context.runId, { acknowledged, written: context.outbox.head }),
      // Objects of rejections may be here that the changes of the view after `downloadedTo` do not name.
      ...(context.views && { view: rejectedUpTo > downloadedTo ? noView : context.views.placed() }),
    })),
  ),
  ...(context.views && { view: context.views.synced }),
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
  integrate: (page) => defer(() => applyDownload(context, page)),
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
