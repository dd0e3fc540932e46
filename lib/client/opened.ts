import {
  catchError,
  concat,
  concatWith,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  isObservable,
  last,
  map,
  type Observable,
  of,
  ReplaySubject,
  switchMap,
  take,
  takeUntil,
  tap,
} from 'rxjs';
import type { Clock } from '../clock.js';
import { SessionClosedError, StorageError, SyncError } from '../model/errors.js';
import type { Schema, Shapes } from '../model/schema.js';
import type { Machine } from '../session/machine.js';
import type { SessionMachine } from '../session/session.js';
import type { Outbox } from '../session/realm.js';
import type { ClientReset } from '../session/reset.js';
import type { SessionState } from '../session/step.js';
import { reviving, type StorageHealth } from '../storage/reviving.js';
import type { OpenStorage, Storage } from '../storage/storage.js';
import type { Migrate } from '../store/migrate.js';
import { metaKey } from '../store/keys.js';
import { openStore } from '../store/open.js';
import type { Store } from '../store/store.js';
import type { ClientCore } from './core.js';
import { owned } from './known-user.js';
import type { Member } from './member.js';

/** How a realm syncs, checked. */
export interface SyncPlan {
  readonly core: ClientCore;
  readonly realmName: string;
  readonly immediately: boolean;
  readonly clientReset: ClientReset;
  /** Whether it may belong to another user, and is only to be read then. */
  readonly anyUser: boolean;
}

/** A realm on its storage with its session: one, however many handles there are (S23). */
export interface Opened {
  readonly store: Store;
  readonly machine: SessionMachine | null;
  /** One more handle; false when it is too late, and everything is being released. */
  readonly enter: () => boolean;
  /** Whether there is a handle. */
  readonly isHeld: () => boolean;
  /** Releases it though it has something to upload. For one without a handle. */
  readonly abandon: () => void;
  /** One handle less; the last one closes the session and, once that is over, the storage. At once; emits once and completes when this is done, or left to a dying session. */
  readonly leave: () => Observable<unknown>;
  readonly released$: Observable<unknown>;
}

export interface OpenPlan {
  readonly storage: OpenStorage;
  /** What tells its storage from all others of this process. */
  readonly place: unknown;
  /** The name of its storage as it was given; empty for one without. */
  readonly name: string;
  /** As it was given; `shapes` is what it comes to. */
  readonly schema: Schema;
  readonly shapes: Shapes;
  readonly clock: Clock;
  readonly sync: SyncPlan | null;
  /** To which version of its schema the realm is brought. Local realms only. */
  readonly migration: Migration | null;
}

export interface Migration {
  readonly version: number;
  readonly change: Migrate<Schema> | undefined;
}

/** Storages that hold an open realm, whoever opened it: two would write over each other. What has a name is locked by its engine. */
const inUse = new WeakSet<Storage>();

const taken = (storage: Storage): void => {
  if (inUse.has(storage))
    throw new StorageError('the storage is in use: another realm is open on it, or this one elsewhere');
  inUse.add(storage);
};

/** A store on this storage, and how both are closed. */
const opening = (storage: Storage, plan: OpenPlan, discarded: (store: Store) => Observable<never>) => {
  const { shapes, clock, migration } = plan;
  const free = (): void => void inUse.delete(storage);
  taken(storage);
  const living = reviving(plan.storage, storage, clock, {
    key: metaKey,
    callMs: plan.sync?.core.storageMs ?? Infinity,
  });
  return openStore({ storage: living.storage, shapes, clock }).pipe(
    switchMap((store) =>
      concat(
        plan.sync ? concat(owned(store, plan.sync.core, plan.sync), store.join()) : store.alone(),
        migration ? store.migrate(migration.version, migration.change) : EMPTY,
        discarded(store),
        of(store),
      ),
    ),
    map((store): Held => ({
      store,
      health$: living.health$(store.dump),
      closing$: store.close().pipe(closedBy, finalize(free)),
    })),
    // What cannot be read is left as it is, and let go of.
    catchError((thrown: unknown) =>
      concat(
        storage.close().pipe(finalize(free)),
        defer(() => {
          throw thrown;
        }),
      ),
    ),
  );
};

interface Held {
  readonly store: Store;
  /** How its storage is: to be listened to as long as it is open, because that is what brings it back. */
  readonly health$: Observable<StorageHealth>;
  /** Emits once and completes when both are closed. Cold; never errors. */
  readonly closing$: Observable<void>;
}

/** Opens a realm for its first handle: on the spot, where its storage does. Cold; emits once and completes; errors with a `StorageError`. */
export const open = (plan: OpenPlan): Observable<Opened> =>
  defer(() => {
    const discarded = discardedSince(plan);
    return plan.storage.pipe(
      switchMap((opened) => opening(opened, plan, discarded)),
      take(1),
      switchMap((held) => (plan.sync ? synced(held, plan.sync, plan) : of(local(held)))),
    );
  });

/** Clears a store when the user has logged out meanwhile and everything is to be discarded. */
const discardedSince = ({ sync, storage, place, name }: OpenPlan): ((store: Store) => Observable<never>) => {
  if (!sync) return () => EMPTY;
  const { core, realmName: realm } = sync;
  let times = core.discards.times();
  const discarded = (store: Store): Observable<never> =>
    defer(() => {
      if (typeof place === 'string' || isObservable(place)) core.remember(place, { open: storage, realm, name });
      if (times === core.discards.times()) return EMPTY;
      times = core.discards.times();
      return concat(store.clear(), discarded(store));
    });
  return discarded;
};

/** Listens to the end: it is the listening that brings a lost storage back. Health never errors. */
const attend = (health$: Observable<StorageHealth>, next: (health: StorageHealth) => void): void => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- it is given its end
  health$.subscribe({
    next,
    error: (thrown: unknown) => {
      throw thrown;
    },
  });
};

const done$ = of(undefined);

const local = ({ store, health$, closing$ }: Held): Opened => {
  const released$ = new ReplaySubject<void>(1);
  let handles = 1;
  attend(health$.pipe(takeUntil(released$)), () => undefined);
  return {
    store,
    machine: null,
    released$,
    enter: () => handles > 0 && ++handles > 0,
    isHeld: () => handles > 0,
    abandon: () => undefined, // It is being released.
    leave: () => {
      handles -= 1;
      if (handles > 0) return done$;
      // eslint-disable-next-line rxjs-x/no-ignored-subscription -- closing runs to its end, whoever waits for it
      closing$.subscribe(released$);
      return released$;
    },
  };
};

/** A storage that fails while it is closed has nobody left to tell: what was acknowledged to anyone is already durable. */
const closedBy = (closing: Observable<never>): Observable<void> =>
  closing.pipe(
    catchError(() => of(undefined)),
    ignoreElements(),
    concatWith(of(undefined)),
  );

/** A session without a storage is over, until there is one again. */
const heed = (machine: Machine, health: StorageHealth): void => {
  if (health.state === 'lost') {
    const { error } = health;
    machine.dispatch({ type: 'fatal', error: new SyncError('storage', error.message, { cause: error }) });
  } else if (isWithoutStorage(machine.present())) machine.dispatch({ type: 'input', input: 'resume' });
};

const isWithoutStorage = ({ sync, connection }: SessionState): boolean =>
  sync === 'inactive' &&
  connection.state === 'disconnected' &&
  connection.reason.kind === 'failed' &&
  connection.reason.code === 'storage';

const synced = (held: Held, plan: SyncPlan, at: Pick<OpenPlan, 'place' | 'name'>): Observable<Opened> =>
  held.store.outbox$.pipe(
    take(1),
    // Deferred: a client that was closed meanwhile closes the store in there, and with it this stream.
    switchMap((outbox) => defer(() => of(running(held, plan, at, outbox)))),
  );

const running = (
  { store, health$, closing$ }: Held,
  { core, realmName, immediately, clientReset }: SyncPlan,
  { place, name: storageName }: Pick<OpenPlan, 'place' | 'name'>,
  outbox: Outbox,
): Opened => {
  const name = JSON.stringify([realmName, typeof place === 'string' ? place : '']); // One realm may be open in two places.
  const machine = core.session(store, {
    realmName,
    clientReset,
    outbox,
    here: store.downloaded(),
    paused: core.paused.has(name),
  });
  const released$ = new ReplaySubject<void>(1);
  const discard = (): Observable<never> =>
    concat(
      store.clear(),
      defer(() => {
        machine.dispatch({ type: 'reset' });
        return EMPTY;
      }),
    );
  const named = { realm: realmName, storage: place, name: storageName };
  const member: Member = { ...named, machine, discard, isWriting: store.isWriting, released$ };
  let handles = 1;
  const end = (now: boolean): void =>
    machine.dispatch({ type: 'closed', immediately: now, by: new SessionClosedError('The realm was closed.') });

  // The end of the session, whoever brings it about, is the end of the storage.
  const end$ = machine.state$.pipe(
    last(),
    map(({ sync }) => (sync === 'paused' ? core.paused.add(name) : core.paused.delete(name))),
    switchMap(() => closing$),
    tap(() => core.left(member)),
  );
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- it ends by itself, when the session does
  end$.subscribe(released$);
  attend(health$.pipe(takeUntil(released$)), (health) => {
    heed(machine, health);
  });
  core.joined(member);
  for (const error of store.setAsideErrors()) machine.dispatch({ type: 'trouble', error });

  return {
    store,
    machine,
    released$,
    isHeld: () => handles > 0,
    abandon: () => end(true),
    enter: () => {
      if (machine.present().released) return false;
      handles += 1;
      machine.dispatch({ type: 'input', input: 'open' });
      return true;
    },
    leave: () => {
      handles -= 1;
      if (handles > 0) return done$;
      end(immediately);
      return machine.present().released ? released$ : done$;
    },
  };
};
