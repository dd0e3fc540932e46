import {
  BehaviorSubject,
  defer,
  filter,
  finalize,
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
import { createReplicas, type Replicas } from './replicas.js';

/** A realm that somebody has bound. */
export interface Realm {
  readonly history: History;
  readonly replicas: Replicas;
  readonly intake: Intake;
}

/** The open realms of a server. */
export interface Realms {
  /**
   * Holds a realm open for as long as it is subscribed: emits it once and stays silent. Everybody who asks meanwhile gets
   * the same one. With `make` it is made when there is none, else `no-such-realm`. When nobody holds it and what was
   * uploaded is in its history, it is closed.
   */
  readonly open: (name: string, options: { readonly make: boolean }) => Observable<Realm>;
  /** Emits once, as soon as no realm is open. */
  readonly idle$: Observable<unknown>;
}

export interface RealmsOptions {
  readonly storage$: Observable<Storage>;
  readonly realmsOpenMax: number;
  readonly clock: Pick<Clock, 'random'>;
}

const noSuchRealm = (name: string): SessionFailure =>
  new SessionFailure('no-such-realm', `there is no realm "${name}"`);

const opening = (storage: Storage, name: string, clock: Pick<Clock, 'random'>): Observable<Realm> =>
  openHistory(storage, name, clock).pipe(
    switchMap((history) => {
      const replicas = createReplicas(history);
      const intake = createIntake(history, replicas);
      const realm$ = merge(intake.working$, of({ history, replicas, intake }), NEVER);
      return realm$.pipe(finalize(() => history.close()));
    }),
  );

export const createRealms = ({ storage$, realmsOpenMax, clock }: RealmsOptions): Realms => {
  const open = new Map<string, Observable<Realm>>();
  const count = new BehaviorSubject(0);

  const shared = (storage: Storage, name: string): Observable<Realm> => {
    let intake: Intake | null = null;
    return opening(storage, name, clock).pipe(
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
    idle$: count.pipe(
      filter((realms) => realms === 0),
      take(1),
    ),
  };
};
