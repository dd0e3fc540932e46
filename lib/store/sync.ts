import { concat, defer, EMPTY, map, type Observable, of } from 'rxjs';
import { follow } from '../log/follow.js';
import type { Changeset, ServerChangeset } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { Desk } from './desk.js';
import { merged } from './integrate.js';
import type { Meta } from './meta.js';
import type { Outbox } from './pending.js';
import { objectPut } from './write.js';

/** A page of the history: changesets of others, and the server version up to which it covers everything. */
export interface HistoryPage {
  readonly changesets: readonly ServerChangeset[];
  readonly upTo: Version;
}

/** What a session asks of a store: `SyncedRealm` of the session room, in this room's words. */
export interface SyncSide {
  readonly greeting$: Observable<Pick<Meta, 'replica' | 'history' | 'seen' | 'acknowledged'>>;
  readonly outbox$: Observable<Outbox>;
  readonly uploads: (after: Version, accepted$: Observable<Version>) => Observable<readonly Changeset[]>;
  readonly integrate: (page: HistoryPage) => Observable<never>;
  readonly acknowledge: (version: Version) => Observable<never>;
  readonly adopt: (history: string) => Observable<never>;
}

const integrate = (desk: Desk, { changesets, upTo }: HistoryPage): Observable<never> => {
  const { ahead, shapes, objects } = desk;
  if (upTo <= ahead.seen) return EMPTY;
  const { touched, instant } = merged(shapes, objects, ahead.instant, changesets);
  ahead.instant = instant;
  ahead.seen = upTo;
  objects.stage(touched);
  return desk.added({
    changes: touched.map(objectPut),
    meta: { clock: instant, seen: upTo },
    durable: false, // Lost in a power cut, it is downloaded again: the cursor is in the same batch.
    stored: () => objects.settle(touched),
  });
};

const trimmed = ({ added, outbox, pending }: Desk, upTo: Version): Observable<never> =>
  defer(() =>
    added({
      changes: outbox.trims(upTo),
      meta: { acknowledged: upTo },
      durable: false, // Forgotten in a power cut, the next bind says it again.
      stored: () => {
        outbox.trimmed(upTo);
        pending.acknowledged(upTo);
      },
    }),
  );

const acknowledge = (desk: Desk, version: Version): Observable<never> => {
  const { floor, head } = desk.outbox;
  const upTo = Math.min(version, head);
  const steps = Math.max(0, Math.ceil((upTo - floor) / limits.trimEntriesMax));
  const stepEnds = Array.from({ length: steps }, (_, step) =>
    Math.min(upTo, floor + (step + 1) * limits.trimEntriesMax),
  );
  return concat(...stepEnds.map((end) => trimmed(desk, end)));
};

export const syncSide = (desk: Desk): SyncSide => ({
  greeting$: defer(() => of(desk.present())).pipe(
    map(({ replica, history, seen, acknowledged }) => ({ replica, history, seen, acknowledged })),
  ),
  outbox$: desk.pending.outbox$,
  uploads: (after, accepted$) =>
    follow(desk.outbox, { after, done$: accepted$, pagesMax: limits.pagesInFlightMax }).pipe(
      map(({ entries }) => entries),
    ),
  integrate: (page) => defer(() => integrate(desk, page)),
  acknowledge: (version) => defer(() => acknowledge(desk, version)),
  adopt: (history) =>
    defer(() => desk.added({ changes: [], meta: { history }, durable: true, stored: () => undefined })),
});
