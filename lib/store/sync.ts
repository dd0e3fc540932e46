import { concat, defer, filter, EMPTY, map, type Observable, of, switchMap } from 'rxjs';
import { follow } from '../log/follow.js';
import type { ObjectState } from '../merge/object.js';
import { lastInstant, laterInstant } from '../merge/stamp.js';
import type {
  Changeset,
  Horizon,
  Instant,
  ObjectName,
  Refusal,
  Restart,
  Run,
  ServerChangeset,
  SetAsideObject,
  WriteLimits,
} from '../model/changeset.js';
import type { SetAsideReport } from '../model/set-aside-report.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import { claim } from './claim.js';
import { correct, type ServerTime } from './correct.js';
import type { Desk, Task } from './desk.js';
import { forget } from './forget.js';
import { merged } from './integrate.js';
import type { Meta } from './meta.js';
import type { Objects } from './objects.js';
import { objectsOf } from './outbox.js';
import type { Outbox } from './pending.js';
import { refuse } from './refuse.js';
import { clear, isRestarting, reset } from './reset.js';
import { runsTold } from './runs.js';
import { reportOf } from './set-aside.js';
import { replace, type WholeRealm } from './snapshot.js';
import { limit } from './write-limits.js';
import { objectPut } from './write.js';

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
export interface SyncSide {
  readonly greeting$: Observable<
    Pick<Meta, 'replica' | 'history' | 'seen' | 'acknowledged' | 'own'> & { readonly runs: readonly Run[] }
  >;
  readonly outbox$: Observable<Outbox>;
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
   * Puts a snapshot in the place of all objects, in one batch with its cursor, the unsent changes on top. What is not further than what is
   * here changes nothing. From then on the greeting says `own`, until a page after which nothing remains has been integrated. Errors with an
   * `UnreadableChangeError` for what cannot be read, having changed nothing.
   */
  readonly replace: (snapshot: WholeRealm) => Observable<SetAsideReport>;
  readonly acknowledge: (version: Version) => Observable<never>;
  /**
   * Takes refused changesets back and everything up to the last one out of the outbox, in one batch: what they touched becomes what
   * stands, with the later unsent changesets on top. Errors with an `UnreadableChangeError` for what stands and cannot be
   * read. Pages that come after a refusal have to wait for it: they are newer than what stands.
   */
  readonly refuse: (...refusals: readonly Refusal[]) => Observable<SetAsideReport>;
  /**
   * Starts over as a new replica, in one batch. `recover` keeps what was not acknowledged, writes under way included, and
   * numbers it from 1: versions that writes gave before mean nothing any more. `uploads` of before complete. While it is on
   * its way, pages, acknowledgements and refusals of the history that is left behind change nothing. `rejoin` stays the same replica, with
   * numbers and stamps as they are, unless it has done so already and was bound to no history since: then it is `recover`.
   */
  readonly reset: (mode: Restart) => Observable<never>;
  readonly adopt: (history: string) => Observable<never>;
  /** Ties the realm to a user: see `claim`. Cold. */
  readonly claim: (user: string) => Observable<never>;
  /** Checks each write by what the server takes from now on, also after a restart. */
  readonly limit: (limits: WriteLimits) => Observable<never>;
  /** The objects that a changeset touches. */
  readonly objectsOf: (changeset: Changeset) => readonly ObjectName[];
  /** Discards everything, rejected writes included: see `clear` of `reset.ts`. Eager. */
  readonly clear: () => Observable<never>;
  /** Whether the function of a write is running. */
  readonly isWriting: () => boolean;
  /**
   * Stamps what is written from now on by the server's time, also after a restart; and, in one batch, what was stamped too late
   * and never went out, in its order, so that nothing that readers see changes. Pages and uploads of a new bind have to wait for it.
   */
  readonly correct: (told: ServerTime) => Observable<never>;
  /** Forgets what was deleted or removed before the server's horizon: see `forget`. Cold. */
  readonly forget: (horizon: Horizon) => Observable<never>;
}

/** The version that was the first to bring one of these. */
const firstOf = (
  { setAside }: Objects,
  touched: ReturnType<typeof merged>['touched'],
  misfits: readonly SetAsideObject[],
): Version => {
  const fresh = new Set<SetAsideObject | null>(misfits);
  const isFresh = (state: ObjectState): boolean => fresh.has(setAside.misfitOf(state));
  return touched.reduce((least, { state, version }) => (isFresh(state) ? Math.min(least, version) : least), Infinity);
};

const integrate = (
  desk: Desk,
  { changesets, upTo, bytes, remainingBytes, remaining }: HistoryPage,
): Observable<SetAsideReport> => {
  const { ahead, objects } = desk;
  if (upTo <= ahead.seen || isRestarting(desk)) return desk.caughtUp();
  const { touched, instant: witnessed } = merged(objects, ahead.witnessed, changesets);
  const instant = laterInstant(ahead.instant, witnessed);
  ahead.instant = instant;
  ahead.witnessed = witnessed;
  ahead.seen = upTo;
  const misfits = objects.stage(touched);
  const task: Task = {
    changes: touched.map(objectPut),
    meta: {
      ...{ clock: instant, witnessed, seen: upTo, seenBytes: bytes, headBytes: bytes + remainingBytes },
      ...(remaining === 0 && { own: false }),
    },
    durable: false, // Lost in a power cut, it is downloaded again: the cursor is in the same batch.
    stored: () => objects.settle(touched),
  };
  return desk.added(
    task,
    reportOf(objects, misfits, () => firstOf(objects, touched, misfits)),
  );
};

/** Takes entries out of the outbox up to one of them. */
const trim = (desk: Desk, { version, time, count, body }: Changeset, replica: string): Observable<never> => {
  const { ahead, outbox, pending } = desk;
  if (isRestarting(desk) || replica !== ahead.replica || version <= ahead.acknowledged) return desk.caughtUp();
  // An operation takes more than a byte.
  const witnessed = laterInstant(ahead.witnessed, lastInstant({ time, count }, body.byteLength));
  ahead.acknowledged = version;
  ahead.witnessed = witnessed;
  return desk.added({
    changes: outbox.trims(version),
    meta: { acknowledged: version, acknowledgedBytes: pending.bytesUpTo(version), witnessed },
    durable: false, // Forgotten in a power cut, the next bind says it again.
    stored: () => {
      outbox.trimmed(version);
      pending.acknowledged(version);
    },
  });
};

/** Takes a batch's worth out of the outbox, then the rest. What is acknowledged stays so: an earlier version changes nothing. */
export const acknowledge = (desk: Desk, version: Version, replica: string): Observable<never> => {
  const { ahead, outbox } = desk;
  if (isRestarting(desk) || replica !== ahead.replica) return desk.caughtUp(); // Its versions are no more.
  const goal = Math.min(version, outbox.head);
  if (goal <= outbox.floor) return EMPTY;
  if (goal <= ahead.acknowledged) return desk.caughtUp();
  const upTo = Math.min(goal, ahead.acknowledged + limits.trimEntriesMax);
  const taken = outbox
    .page(upTo - 1)
    .pipe(switchMap(({ entries: [last] }) => (last ? trim(desk, last, replica) : desk.caughtUp())));
  return concat(
    taken,
    defer(() => acknowledge(desk, version, replica)),
  );
};

/**
 * The outbox as it is when a page of it is read: what was acknowledged or refused since somebody wanted the page is not there any more. What was
 * gone before is an error.
 */
const whatIsLeft = (outbox: Desk['outbox'], after: Version): Pick<Desk['outbox'], 'head' | 'head$' | 'page'> => {
  const wasThere = after >= outbox.floor;
  return {
    get head() {
      return outbox.head;
    },
    head$: outbox.head$,
    page: (from) => defer(() => outbox.page(wasThere ? Math.max(from, outbox.floor) : from)),
  };
};

export const syncSide = (desk: Desk): SyncSide => ({
  greeting$: defer(() => of(desk.present())).pipe(
    map(({ replica, history, seen, acknowledged, own, runs }) => ({
      ...{ replica, history, seen, acknowledged, own },
      runs: runsTold(runs, desk.run, { acknowledged, written: desk.outbox.head }),
    })),
  ),
  outbox$: desk.pending.outbox$,
  stampOf: (version) =>
    defer(() => {
      const { floor, head } = desk.outbox;
      if (version <= floor || version > head) return of(null);
      return desk.outbox.page(version - 1).pipe(map(({ entries: [first] }) => first ?? null));
    }),
  uploads: (after, accepted$, pagesMax = () => limits.pagesInFlightMax) =>
    follow(whatIsLeft(desk.outbox, after), { after, done$: accepted$, pagesMax }).pipe(
      filter(({ entries }) => entries.length > 0),
      map(({ entries, upTo }) => {
        const { replica, handed } = desk.ahead;
        const before = handed.replica === replica ? handed.version : 0;
        desk.ahead.handed = { replica, version: Math.max(before, upTo) };
        return entries;
      }),
    ),
  integrate: (page) => defer(() => integrate(desk, page)),
  replace: (snapshot) => defer(() => replace(desk, snapshot)),
  acknowledge: (version) => defer(() => acknowledge(desk, version, desk.ahead.replica)),
  refuse: (...refusals) => defer(() => refuse(desk, refusals)),
  reset: (mode) => defer(() => reset(desk, mode)),
  clear: () => clear(desk),
  isWriting: () => desk.ahead.writing,
  adopt: (history) =>
    defer(() => desk.added({ changes: [], meta: { history, bound: true }, durable: true, stored: () => undefined })),
  claim: (user) => claim(desk, { realm: desk.present().owner.realm ?? '', user }),
  limit: (limits) => defer(() => limit(desk, limits)),
  objectsOf,
  correct: (told) => defer(() => correct(desk, told)),
  forget: (horizon) => defer(() => forget(desk, horizon)),
});
