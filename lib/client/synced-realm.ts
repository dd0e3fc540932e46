import { concat, defer, EMPTY, isObservable, type Observable, of, ReplaySubject, switchMap, take, tap } from 'rxjs';
import { runAction } from '../model/operators.js';
import { SessionClosedError, SyncError } from '../model/errors.js';
import { some } from '../model/result.js';
import type { OutboxState } from '../model/sync-port.js';
import { toSyncSession } from '../session/api/sync-session.js';
import { waitUntilProcessed } from '../session/conversation/receive-progress.js';
import type { SessionState } from '../session/state/session-state.js';
import type { SessionStore } from '../session/state/session-store.js';
import type { StorageHealth } from '../storage/reopening-storage.js';
import { openStore } from '../store/open-store.js';
import type { Store } from '../store/store.js';
import type { OpenPlan, RunningRealm, SyncPlan } from './open-plan.js';
import type { RealmMember } from './realm-member.js';
import type { HeldStore } from './held-store.js';
import { done$, openHeldStore, watchHealth } from './running-realm.js';
import type { SubscriptionsPort } from '../store/subscriptions/view-parts.js';
import type { SubscriptionsApi } from '../store/subscriptions/subscriptions-api.js';
import { checkOwner, claimStore } from './user-identity.js';

/** Clears a store that was opening during a log-out with `discard`. */
export const createDiscardCheck = (
  { storage, location, name }: OpenPlan,
  { support: { core }, realmName: realm }: SyncPlan,
): ((store: Store) => Observable<never>) => {
  let discards = core.discards.count();
  const clearIfDiscarded = (store: Store): Observable<never> =>
    defer(() => {
      if (typeof location === 'string' || isObservable(location))
        core.rememberStorage(location, { open$: storage, realm, name });
      if (discards === core.discards.count()) return EMPTY;
      discards = core.discards.count();
      return concat(store.clear(), clearIfDiscarded(store));
    });
  return clearIfDiscarded;
};

/** Ends a session whose storage is lost, and resumes it when the storage is back. */
export const applyHealth = (session: SessionStore, health: StorageHealth): void => {
  if (health.state === 'lost') {
    const { error } = health;
    session.dispatch({ type: 'fatal', error: new SyncError('storage', error.message, { cause: error }) });
  } else if (isWithoutStorage(session.getState())) session.dispatch({ type: 'input', input: 'resume' });
};

/** The name under which a client remembers that a session was paused. One realm may be open on two storages. */
export const pauseNameOf = ({ location }: Pick<OpenPlan, 'location'>, { realmName }: SyncPlan): string =>
  JSON.stringify([realmName, typeof location === 'string' ? location : '']);

const isWithoutStorage = ({ sync, connection }: SessionState): boolean =>
  sync === 'inactive' &&
  connection.state === 'disconnected' &&
  connection.reason.kind === 'failed' &&
  connection.reason.code === 'storage';

/** Makes the first subscriptions of a realm. Not in the data of another user, which can only be read. */
export const subscribeFirst = (
  { subscriptions: wanted }: Pick<OpenPlan, 'subscriptions'>,
  { support: { core } }: SyncPlan,
  store: Pick<Store, 'isOwnedByOther'> & { readonly subscriptions: SubscriptionsPort | null },
): Observable<never> =>
  defer(() => {
    const { subscriptions } = store;
    if (!wanted?.initial || !subscriptions || store.isOwnedByOther(core.userId())) return EMPTY;
    const isFirst = subscriptions.getStatus().set.version === 0;
    return isFirst || wanted.rerunOnOpen === true ? subscriptions.edit(wanted.initial).stored$ : EMPTY;
  });

/** Opens a realm with its session for its first handle: see `openRunningRealm`. */
export const openSyncedRealm = (plan: OpenPlan, sync: SyncPlan): Observable<RunningRealm> =>
  defer(() => {
    const clearIfDiscarded = createDiscardCheck(plan, sync);
    const { core } = sync.support;
    return openHeldStore(plan, {
      open: (options) => openStore({ ...options, views: plan.subscriptions?.openViews }),
      prepare: (store) =>
        concat(claimStore(store, core, sync), store.join(), clearIfDiscarded(store), subscribeFirst(plan, sync, store)),
      callMs: core.storageTimeoutMs,
    });
  }).pipe(
    switchMap((held) =>
      held.store.outbox$.pipe(
        take(1),
        // Deferred: when the client was closed meanwhile, creating the realm closes the store, which ends this stream.
        switchMap((outbox) => defer(() => of(createSyncedRealm(held, sync, plan, outbox)))),
      ),
    ),
  );

const createApi = ({ subscriptions }: Pick<OpenPlan, 'subscriptions'>, store: Store): SubscriptionsApi | undefined =>
  store.subscriptions ? subscriptions?.createApi(store.subscriptions) : undefined;

const createSyncedRealm = (
  { store, health$, closing$ }: HeldStore<Store>,
  sync: SyncPlan,
  plan: Pick<OpenPlan, 'location' | 'name' | 'subscriptions'>,
  outbox: OutboxState,
): RunningRealm => {
  const { location, name: storageName } = plan;
  const { support, realmName, stopImmediately, clientReset } = sync;
  const { core } = support;
  const name = pauseNameOf({ location }, sync);
  const session = core.createSession(store, {
    realmName,
    clientReset,
    outbox,
    initialDownload: store.downloadProgress(),
    paused: core.pausedRealms.has(name),
    // Every end of the session closes the storage.
    onReleased: ({ sync }) => {
      if (sync === 'paused') core.pausedRealms.add(name);
      else core.pausedRealms.delete(name);
      const removeMember = (): void => core.removeMember(member);
      // eslint-disable-next-line rxjs-x/no-ignored-subscription -- closing must run to its end
      closing$.pipe(tap(removeMember)).subscribe(released$);
    },
  });
  const released$ = new ReplaySubject<void>(1);
  const discard = (): Observable<never> =>
    concat(
      store.clear(),
      runAction(() => session.dispatch({ type: 'reset' })),
    );
  const named = { realm: realmName, storage: location, name: storageName };
  const member: RealmMember = { ...named, machine: session, discard, isWriting: store.isWriting, released$ };
  let handles = 1;
  const end = (now: boolean): void =>
    session.dispatch({ type: 'closed', immediately: now, by: new SessionClosedError('The realm was closed.') });

  watchHealth(health$, (health) => {
    applyHealth(session, health);
  });
  core.addMember(member);
  for (const error of store.setAsideErrors()) session.dispatch({ type: 'trouble', error });

  return {
    ...{ store, released$, subscriptions: createApi(plan, store) },
    syncSession: some(toSyncSession(session, core.reconnect)),
    checkOwner: () => checkOwner(store, session, core.userId()),
    processed$: waitUntilProcessed(session.receiveProgress),
    hasHandles: () => handles > 0,
    closeNow: () => end(true),
    addHandle: () => {
      if (session.getState().released) return false;
      handles += 1;
      session.dispatch({ type: 'input', input: 'open' });
      return true;
    },
    removeHandle: () => {
      handles -= 1;
      if (handles > 0) return done$;
      end(stopImmediately);
      return session.getState().released ? released$ : done$;
    },
  };
};
