import type { Observable } from 'rxjs';
import type { Option } from '../../model/result.js';
import type { SyncSession } from '../../session/api/sync-session.js';
import type { SessionState } from '../../session/state/session-state.js';
import type { SessionStore } from '../../session/state/session-store.js';
import type { RemoteSession, SharedEvent } from '../../session/tabs/remote-session.js';
import type { SessionRecord } from '../../session/tabs/session-record.js';
import type { TabSession } from '../../session/tabs/tab-session.js';
import type { StorageHealth } from '../../storage/reopening-storage.js';
import type { MirroredStore } from '../../store/tabs/mirrored-store.js';
import type { LocalStore } from '../../store/store.js';
import type { SubscriptionsPort } from '../../store/subscriptions/view-parts.js';
import type { HeldStore, StoreOpening } from '../held-store.js';
import type { SessionUpdate, TabCall } from './tab-messages.js';

/** The session of the tab that leads, as the leader's part of it. */
export interface OwnSession {
  readonly store: SessionStore;
  /** Completes when all messages that have been received are processed. Cold. */
  readonly processed$: Observable<never>;
  /** Ends the session at once. */
  readonly end: () => void;
}

/** The store and the session of a tab that leads. */
export interface LeadParts {
  readonly held: HeldStore<LocalStore>;
  readonly session: OwnSession | null;
}

/** The tab, as the parts of its realm see it. */
export interface TabPorts {
  readonly mirror: MirroredStore;
  /** The store of this tab while it leads, otherwise `null`. */
  readonly store: () => LocalStore | null;
  /** Emits once and completes when the realm is closed in this tab. */
  readonly released$: Observable<unknown>;
  /** Asks the leader, which may be this tab, for some work. */
  readonly call: (method: TabCall) => Observable<never>;
  /** Is called before the session of this tab is closed. */
  readonly onClosing: () => void;
  /** Is called when the session of this tab has ended, although it does not lead. */
  readonly onReleased: () => void;
  /** Runs work to its end. It never errors. */
  readonly start: (work: Observable<never>) => void;
  /** Is called when the user logs out in this tab. */
  readonly onLoggedOut: () => void;
}

/**
 * The parts of a shared realm that depend on whether it has a session. `SyncSupport` brings those of a realm that has
 * one, so that a bundle of local realms contains no code of sessions.
 */
export interface TabParts {
  /** The way in which the tab that leads opens its store. `isFirst`: the realm was not open in this tab yet. */
  readonly openingOf: (isFirst: boolean) => StoreOpening<LocalStore>;
  /** Performs a call, while this tab leads. */
  readonly perform: (method: TabCall, lead: LeadParts) => Observable<never>;
  /** Checks that a tab may follow. Cold; errors with a `WrongRealmError` or a `SyncError` `other-user`. */
  readonly checkFollower: () => Observable<never>;
  /** Makes the first subscriptions of a realm in a tab that follows. Cold. */
  readonly subscribeFirst: (subscriptions: SubscriptionsPort | null) => Observable<never>;
  /** Creates the session of the leader, which starts when it is shown; `null` for a local realm. */
  readonly createSession: (held: HeldStore<LocalStore>, onReleased: () => void) => OwnSession | null;
  /** Shows a session from now on: its own (`isOwn`), which then starts, or that of another tab. */
  readonly show: (session: SessionStore | null, isOwn: boolean) => void;
  readonly session: () => TabSession | null;
  /** Creates the session of a follower; `null` for a local realm. */
  readonly follow: (state: SessionRecord, send: (event: SharedEvent) => void) => RemoteSession | null;
  /** The record of a state, to be sent to other tabs. */
  readonly recordOf: (state: SessionState) => SessionRecord;
  readonly receive: (session: RemoteSession, update: SessionUpdate) => void;
  readonly onHealth: (health: StorageHealth) => void;
  readonly syncSession: () => Option<SyncSession>;
  /** Throws a `SyncError` `other-user` when the realm is known to belong to another user. */
  readonly checkOwner: () => void;
  /** Whether the session would go on if this tab led: not if only this tab is logged out. */
  readonly mayClaim: () => boolean;
  /** The user has logged out in another tab. */
  readonly logOut: () => void;
  /** Ends the session in this tab. `isNow`: it does not upload anything more. */
  readonly end: (isNow: boolean) => void;
  /** Completes the streams of the session, when the realm is closed in this tab. */
  readonly complete: () => void;
}
