import type { Observable } from 'rxjs';
import type { Clock } from '../clock.js';
import type { Option } from '../model/result.js';
import type { Schema, Shapes } from '../model/schema.js';
import type { SyncSession } from '../session/api/sync-session.js';
import type { ClientReset } from '../session/binding/client-reset.js';
import type { OpenStorage } from '../storage/storage.js';
import type { TabPlatform } from '../storage/tab-platform.js';
import type { CommitContext } from '../store/commit/commit-context.js';
import type { LocalStore, ReadApi } from '../store/store.js';
import type { TransactionDraft } from '../store/transaction/transaction.js';
import type { Written } from '../store/transaction/write.js';
import type { Migrate } from '../store/transfer/migrate.js';
import type { ClientCore } from './client-core.js';
import type { SubscriptionSupport } from './subscription-registry.js';
import type { TabParts, TabPorts } from './tabs/tab-parts.js';
import type { SubscriptionsApi } from '../store/subscriptions/subscriptions-api.js';

/** The checked options of `openRealm`. */
export interface OpenPlan {
  readonly storage: OpenStorage;
  /** Identifies the storage in this process. */
  readonly location: unknown;
  /** The name of the storage as the app gave it; empty for a storage without a name. */
  readonly name: string;
  /** The platform of the tabs that share the storage; `null` if none does. */
  readonly tabs: TabPlatform | null;
  /** The schema as the app gave it; `shapes` is its checked form. */
  readonly schema: Schema;
  readonly shapes: Shapes;
  readonly clock: Clock;
  readonly sync: SyncPlan | null;
  /** The option `subscriptions`; `null`: the realm holds all objects. */
  readonly subscriptions: SubscriptionSupport | null;
  /** The version that the schema is migrated to. Local realms only. */
  readonly migration: Migration | null;
}

export interface Migration {
  readonly version: number;
  readonly change: Migrate<Schema> | undefined;
}

/** The checked sync options of a realm. */
export interface SyncPlan {
  readonly support: SyncSupport;
  readonly realmName: string;
  readonly stopImmediately: boolean;
  readonly clientReset: ClientReset;
  /** Whether the realm may belong to another user. It is then read-only. */
  readonly anyUser: boolean;
}

/** The sync options of a realm, except the client. */
export interface SyncSettings {
  readonly realm: unknown;
  readonly stopPolicy?: 'afterChangesUploaded' | 'immediately';
  readonly clientReset?: ClientReset;
  readonly otherUser?: 'reject' | 'read';
}

/**
 * The code of synced realms. `openRealm` takes it from the client, so that a bundle without a client does not contain
 * it.
 */
export interface SyncSupport {
  readonly core: ClientCore;
  /** Checks the sync options of a realm. */
  readonly planOf: (settings: SyncSettings) => SyncPlan;
  /** Returns the first difference of two plans; `null` if they are equal. */
  readonly differenceOf: (found: SyncPlan, wanted: SyncPlan) => Error | null;
  /** Opens a realm with its session: see `openRunningRealm`. */
  readonly open: (plan: OpenPlan, sync: SyncPlan) => Observable<RunningRealm>;
  /** Creates the parts of a realm that several tabs share. */
  readonly createTab: (plan: OpenPlan, sync: SyncPlan, ports: TabPorts) => TabParts;
}

/** The part of a store that the handles of a realm use. */
export interface RealmStore extends Pick<
  LocalStore,
  'write' | 'retry' | 'discard' | 'rejectedWrites$' | 'setAside$' | 'stats' | keyof ReadApi
> {
  readonly context: Pick<CommitContext, 'shapes' | 'objects' | 'clock' | 'checkOpen'> & {
    /** The outbox; `undefined` while another tab has it. */
    readonly outbox?: CommitContext['outbox'] | undefined;
  };
  readonly transact: <R>(work: (draft: TransactionDraft) => R) => Observable<Written<R>>;
}

/** An open realm: a store and its session, shared by all handles (S23). */
export interface RunningRealm {
  readonly store: RealmStore;
  /** The public session, shared by all handles; none in a local realm. */
  readonly syncSession: Option<SyncSession>;
  /** The subscriptions, shared by all handles. `undefined`: the realm holds all objects. */
  readonly subscriptions?: SubscriptionsApi | undefined;
  /** Throws a `SyncError` `other-user` when the realm is known to belong to another user. */
  readonly checkOwner: () => void;
  /** Completes when every message that was received before the subscription is processed. Cold. */
  readonly processed$: Observable<never>;
  /** Counts one more handle. Returns false when the realm is already being released. */
  readonly addHandle: () => boolean;
  readonly hasHandles: () => boolean;
  /** Ends a realm without handles immediately, even if it has changes to upload. */
  readonly closeNow: () => void;
  /**
   * Counts one handle less. After the last one the session ends, and then the storage closes. Acts at the call. The
   * stream emits once and completes when the realm is closed, or immediately when a session goes on to upload.
   */
  readonly removeHandle: () => Observable<unknown>;
  readonly released$: Observable<unknown>;
}
