import {
  BehaviorSubject,
  defer,
  filter,
  finalize,
  ignoreElements,
  merge,
  NEVER,
  of,
  ReplaySubject,
  share,
  switchMap,
  take,
  tap,
  type Observable,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { isRealmName } from '../model/limits.js';
import type { Storage } from '../storage/storage.js';
import { hasHistory, openHistory } from './embedded.js';
import { SessionFailure } from './failure.js';
import type { History } from './history.js';
import { createIntake, type Intake } from './intake.js';
import { createJudge, lenient } from './judge.js';
import { createLeases, type Leases } from './leases.js';
import type { ServerLimits } from './options.js';
import type { Permit } from './permit.js';
import { createPresent } from './present.js';
import { createProjector, type Projector } from './projector.js';
import { createReplicas, type Replicas } from './replicas.js';
import type { Tell } from './telling.js';

/** A realm that somebody has bound. */
export interface Realm {
  readonly history: History;
  readonly replicas: Replicas;
  readonly intake: Intake;
  readonly projector: Projector;
  readonly leases: Leases;
}

/** The open realms of a server. */
export interface Realms {
  /**
   * Holds a realm open for as long as it is subscribed: emits it once and stays silent. Everybody who asks meanwhile gets
   * the same one. With `make` it is made when there is none, else `no-such-realm`. When nobody holds it and what was
   * uploaded is in its history, it is closed.
   */
  readonly open: (name: string, options: { readonly make: boolean }) => Observable<Realm>;
  /** How many are open. */
  readonly count: () => number;
  /** Emits once, as soon as no realm is open. */
  readonly idle$: Observable<unknown>;
}

export interface RealmsOptions {
  readonly storage$: Observable<Storage>;
  readonly limits: ServerLimits;
  readonly clock: Clock;
  /** `null`: everybody who may write may write everything. */
  readonly permit: Permit | null;
  readonly tell: Tell;
}

/** Times `projectionLagBytesMax` that may be in memory of what was written lately, for `permit`. */
const presentLagTimes = 4;

const noSuchRealm = (name: string): SessionFailure =>
  new SessionFailure('no-such-realm', `there is no realm "${name}"`);

/** Everything that works for one realm while it is open. */
const assembled = (history: History, name: string, { limits, clock, permit, tell }: RealmsOptions) => {
  const { projectionLagBytesMax: lagBytesMax, snapshotLeaseMs, snapshotHoldMsMax, permitMsMax } = limits;
  const leases = createLeases({ now: clock.now, idleMs: snapshotLeaseMs, holdMs: snapshotHoldMsMax });
  const failed = (error: unknown): void => tell({ level: 'error', event: 'failed', realm: name, error });
  const projector = createProjector({ history, leases, clock, lagBytesMax, failed });
  const present = createPresent({ history, projector, lagBytesMax: presentLagTimes * lagBytesMax });
  const judge = permit === null ? lenient : createJudge({ permit, realm: name, clock, permitMsMax }, present);
  const replicas = createReplicas(history);
  const { refusalsPendingMax } = limits;
  const intake = createIntake({ history, replicas, judge, present, refusalsPendingMax });
  const working$ = merge(intake.working$, projector.working$, projector.moved$.pipe(tap(present.moved)));
  return { realm: { history, replicas, intake, projector, leases }, working$: working$.pipe(ignoreElements()) };
};

const opening = (storage: Storage, name: string, options: RealmsOptions): Observable<Realm> =>
  openHistory(storage, name, options.clock).pipe(
    switchMap((history) => {
      const { realm, working$ } = assembled(history, name, options);
      return merge(working$, of(realm), NEVER).pipe(finalize(() => history.close()));
    }),
  );

export const createRealms = (options: RealmsOptions): Realms => {
  const { storage$, limits } = options;
  const { realmsOpenMax } = limits;
  const open = new Map<string, Observable<Realm>>();
  const count = new BehaviorSubject(0);

  const shared = (storage: Storage, name: string): Observable<Realm> => {
    let intake: Intake | null = null;
    return opening(storage, name, options).pipe(
      tap((realm) => (intake = realm.intake)),
      finalize(() => {
        open.delete(name);
        count.next(open.size);
      }),
      share({
        connector: () => new ReplaySubject(1),
        resetOnRefCountZero: () => intake?.idle$ ?? of(true), // What was uploaded goes in, also when nobody waits for it.
        resetOnError: true,
        resetOnComplete: true,
      }),
    );
  };

  const opened = (storage: Storage, name: string): Observable<Realm> => {
    const present = open.get(name);
    if (present !== undefined) return present;
    if (open.size >= realmsOpenMax)
      throw new SessionFailure('too-many-sessions', `${realmsOpenMax} realms are open already`, 'later');
    const realm$ = shared(storage, name);
    open.set(name, realm$);
    count.next(open.size);
    return realm$;
  };

  const existing = (storage: Storage, name: string): Observable<Realm> =>
    (open.has(name) ? of(true) : hasHistory(storage, name)).pipe(
      switchMap((exists) => {
        if (exists) return opened(storage, name);
        throw noSuchRealm(name);
      }),
    );

  return {
    open: (name, { make }) =>
      defer(() => {
        if (!isRealmName(name)) throw noSuchRealm(name);
        return storage$.pipe(switchMap((storage) => (make ? opened(storage, name) : existing(storage, name))));
      }),
    count: () => count.value,
    idle$: count.pipe(
      filter((realms) => realms === 0),
      take(1),
    ),
  };
};
