import { concat, EMPTY, type Observable } from 'rxjs';
import { ClientResetError, CompensatingWriteError, SessionClosedError, type SyncError } from '../../model/errors.js';
import { runAction } from '../../model/operators.js';
import { type Option, some } from '../../model/result.js';
import { type SyncSession, toSyncSession } from '../../session/api/sync-session.js';
import { waitUntilProcessed } from '../../session/conversation/receive-progress.js';
import type { SessionEvent } from '../../session/state/session-events.js';
import type { SessionState } from '../../session/state/session-state.js';
import type { SessionStore } from '../../session/state/session-store.js';
import { RemoteSession, type SharedEvent } from '../../session/tabs/remote-session.js';
import {
  errorAs,
  isSessionRecord,
  type SessionRecord,
  sessionStateOf,
  toSessionRecord,
} from '../../session/tabs/session-record.js';
import { TabSession } from '../../session/tabs/tab-session.js';
import type { StorageHealth } from '../../storage/reopening-storage.js';
import { openStore } from '../../store/open-store.js';
import { createOtherUserError, isOwnedByOther, WrongRealmError } from '../../store/ownership/claim-owner.js';
import type { LocalStore, Store } from '../../store/store.js';
import type { ClientCore } from '../client-core.js';
import type { OpenPlan, SyncPlan } from '../open-plan.js';
import type { RealmMember } from '../realm-member.js';
import type { HeldStore, StoreOpening } from '../held-store.js';
import type { SubscriptionsPort } from '../../store/subscriptions/view-parts.js';
import { applyHealth, createDiscardCheck, pauseNameOf, subscribeFirst } from '../synced-realm.js';
import { checkOwner, claimStore } from '../user-identity.js';
import type { SessionUpdate, TabCall } from './tab-messages.js';
import type { LeadParts, OwnSession, TabParts, TabPorts } from './tab-parts.js';

/** The rejected writes of a replica: an earlier leader may have stored them, and ended before it reported them. */
const rejectionsOf = ({ context: { rejectedList, durable } }: LocalStore): readonly CompensatingWriteError[] =>
  rejectedList
    .list()
    .filter(({ replica }) => replica === durable().replica)
    .map(({ changeset, writes, code }) => new CompensatingWriteError(changeset.version, writes, code));

/** The parts of a shared realm with a session. */
class SyncedTab implements TabParts {
  #session: TabSession | null = null; // Until the tab leads or follows.
  #isLoggingOut = false;
  readonly #core: ClientCore;
  readonly #member: RealmMember;
  readonly #pauseName: string;

  constructor(
    private readonly plan: OpenPlan,
    private readonly sync: SyncPlan,
    private readonly ports: TabPorts,
  ) {
    const { mirror, released$, call, store } = ports;
    this.#core = sync.support.core;
    this.#pauseName = pauseNameOf(plan, sync);
    this.#member = {
      ...{ realm: sync.realmName, storage: plan.location, name: plan.name, released$ },
      machine: this.#createMachine(),
      discard: () => call('discard'),
      reconnect: () => {
        if (store() === null) ports.start(call('reconnect'));
      },
      isWriting: () => store()?.context.optimistic.isWriting ?? mirror.isWriting(),
    };
  }

  /** A tab that leads first claims the realm for its user. One that followed was checked when it was opened. */
  openingOf(isFirst: boolean): StoreOpening<LocalStore> {
    const clearIfDiscarded = createDiscardCheck(this.plan, this.sync);
    const opening: StoreOpening<Store> = {
      open: (options) => openStore({ ...options, views: this.plan.subscriptions?.openViews }),
      prepare: (store) =>
        isFirst
          ? concat(
              ...[claimStore(store, this.#core, this.sync), store.join(), clearIfDiscarded(store)],
              subscribeFirst(this.plan, this.sync, store),
            )
          : store.join(),
      callMs: this.#core.storageTimeoutMs,
    };
    return opening as unknown as StoreOpening<LocalStore>; // It prepares the stores that it opens.
  }

  perform(method: TabCall, { held, session }: LeadParts): Observable<never> {
    const trouble = session?.store.getState().trouble;
    switch (method) {
      case 'refresh':
        return session?.processed$ ?? EMPTY;
      case 'reconnect':
        return runAction(this.#core.reconnect);
      case 'discard':
        return concat(
          (held.store as Store).clear(),
          runAction(() => session?.store.dispatch({ type: 'reset' })),
        );
      default:
        return trouble instanceof ClientResetError
          ? trouble.reset(method === 'recover' ? 'recover' : 'discard')
          : EMPTY;
    }
  }

  checkFollower(): Observable<never> {
    const { mirror } = this.ports;
    const { location, storage, name } = this.plan;
    this.#core.rememberStorage(location, { open$: storage, realm: this.sync.realmName, name });
    const mirrored: Pick<Store, 'isOwned' | 'claimOwner'> = {
      isOwned: () => mirror.owner.user !== null,
      claimOwner: ({ realm, user }, anyUser) =>
        runAction(() => {
          const { owner } = mirror;
          if (owner.realm !== null && owner.realm !== realm) throw new WrongRealmError(owner.realm, realm);
          if (!anyUser && isOwnedByOther(owner, user)) throw createOtherUserError();
        }),
    };
    return claimStore(mirrored, this.#core, this.sync);
  }

  subscribeFirst(subscriptions: SubscriptionsPort | null): Observable<never> {
    return subscribeFirst(this.plan, this.sync, { subscriptions, ...this.#mirroredOwner() });
  }

  createSession({ store }: HeldStore<LocalStore>, onReleased: () => void): OwnSession {
    const { pausedRealms } = this.#core;
    const own = this.#core.createSession(store as Store, {
      ...{ realmName: this.sync.realmName, clientReset: this.sync.clientReset },
      ...{ outbox: store.context.outboxSize.outbox(), initialDownload: (store as Store).downloadProgress() },
      known: { ...this.#knownState(), rejected: rejectionsOf(store) },
      paused: this.#session ? this.#session.getState().sync === 'paused' : pausedRealms.has(this.#pauseName),
      onReleased: ({ sync }) => {
        if (sync === 'paused') pausedRealms.add(this.#pauseName);
        else pausedRealms.delete(this.#pauseName);
        onReleased();
      },
    });
    const end = (): void => {
      const by = new SessionClosedError('Another tab keeps the realm in sync.');
      own.dispatch({ type: 'closed', immediately: true, by });
      this.#core.endLinger(); // One connection for all tabs.
    };
    return { store: own, processed$: waitUntilProcessed(own.receiveProgress), end };
  }

  /** The state of the realm that the session of the leader before had shown. */
  #knownState(): Partial<Pick<SessionState, 'downloaded' | 'lastSyncedAt'>> {
    if (!this.#session) return {};
    const { downloaded, lastSyncedAt } = this.#session.getState();
    return { downloaded: { ...downloaded, behind: null }, lastSyncedAt };
  }

  show(next: SessionStore | null, isOwn: boolean): void {
    if (next === null) return;
    if (this.#session === null) {
      this.#session = new TabSession(next);
      this.#core.addMember(this.#member);
      return;
    }
    const wasLoggedOut = this.#session.getState().loggedOut;
    this.#session.switchTo(next);
    if (isOwn && this.#core.isLoggedIn()) this.#session.dispatch({ type: 'input', input: 'open' });
    // The user logged out in another tab while this page was frozen.
    if (!isOwn && !wasLoggedOut && next.getState().loggedOut) this.logOut();
  }

  session(): TabSession | null {
    return this.#session;
  }

  follow(record: SessionRecord, send: (event: SharedEvent) => void): RemoteSession | null {
    if (!isSessionRecord(record)) return null;
    const onError = (error: SyncError): void => this.#core.reportError(this.sync.realmName, error);
    return new RemoteSession(sessionStateOf(record), { onReleased: this.ports.onReleased, onError }, send);
  }

  recordOf(state: SessionState): SessionRecord {
    return toSessionRecord(state);
  }

  receive(session: RemoteSession, { state, upTo, errors }: SessionUpdate): void {
    if (!isSessionRecord(state)) return;
    session.receive({ state: sessionStateOf(state), upTo, errors: errors.map((each) => this.#errorOf(each)) });
  }

  onHealth(health: StorageHealth): void {
    if (this.#session) applyHealth(this.#session, health);
  }

  syncSession(): Option<SyncSession> {
    return some(toSyncSession(this.#shown(), this.#core.reconnect));
  }

  checkOwner(): void {
    const store = this.ports.store() as Store | null;
    checkOwner(store ?? this.#mirroredOwner(), this.#shown(), this.#core.userId());
  }

  #mirroredOwner(): Pick<Store, 'isOwnedByOther'> {
    return { isOwnedByOther: (user) => isOwnedByOther(this.ports.mirror.owner, user) };
  }

  mayClaim(): boolean {
    return !this.#core.isLoggedOut() || this.#shown().getState().loggedOut;
  }

  logOut(): void {
    if (this.#core.isLoggedOut()) return;
    this.#isLoggingOut = true;
    this.#core.logOut();
    this.#isLoggingOut = false;
  }

  end(immediately: boolean): void {
    const by = new SessionClosedError('The realm was closed.');
    this.#member.machine.dispatch({ type: 'closed', immediately, by });
  }

  complete(): void {
    this.#session?.end();
    this.#core.removeMember(this.#member);
  }

  /** The session, in a realm that is open. */
  #shown(): TabSession {
    if (this.#session) return this.#session;
    throw new Error('Defect: a realm was used before it was open in this tab.');
  }

  /** The session of this tab, for its client. A log-out of the client concerns all tabs. */
  #createMachine(): SessionStore {
    const session = (): TabSession => this.#shown();
    return {
      get state$() {
        return session().state$;
      },
      get error$() {
        return session().error$;
      },
      getState: () => session().getState(),
      dispatch: (event: SessionEvent) => {
        if (event.type === 'loggedOut') {
          // A log-out of another tab: the leader of this one receives it, too.
          if (this.#isLoggingOut && this.ports.store() === null) return;
          if (!this.#isLoggingOut) this.ports.onLoggedOut();
        }
        if (event.type === 'closed') this.ports.onClosing();
        session().dispatch(event);
      },
    };
  }

  /** The error of a record. Its reset is performed by the leader. */
  #errorOf(record: unknown): SyncError {
    const error = errorAs<SyncError>(record);
    const { call } = this.ports;
    const reset = (mode: string): Observable<never> => call(mode === 'recover' ? 'recover' : 'discardReset');
    return error instanceof ClientResetError ? Object.assign(error, { reset }) : error;
  }
}

/** Creates the parts of a shared realm with a session. */
export const createSyncedTab = (plan: OpenPlan, sync: SyncPlan, ports: TabPorts): TabParts =>
  new SyncedTab(plan, sync, ports);
