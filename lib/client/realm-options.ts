import type { Clock } from '../clock.js';
import type { Schema } from '../model/schema.js';
import type { ValidSchema } from '../model/schema-types.js';
import type { ClientReset } from '../session/binding/client-reset.js';
import type { SyncSession } from '../session/api/sync-session.js';
import type { OpenStorage, Storage } from '../storage/storage.js';
import type { Migrate } from '../store/transfer/migrate.js';
import type { RealmSubscriptions } from './subscriptions.js';
import type { SyncClient } from './sync-client.js';

/**
 * Connects a realm to a realm of a server.
 *
 * @example
 * ```ts
 * const sync: SyncOptions = { client, realm: 'team-42', stopPolicy: 'immediately' };
 * ```
 */
export interface SyncOptions {
  /** The client whose connection and user the realm uses. From `createSyncClient`. */
  readonly client: SyncClient;
  /**
   * The name of the realm on the server: 1 to 128 letters, digits and `. _ ~ -`. It starts with a letter or a digit.
   */
  readonly realm: string;
  /**
   * Whether the session uploads all changes after the last handle is closed, or ends immediately. Changes that are not
   * uploaded stay in the storage.
   *
   * @defaultValue `afterChangesUploaded`
   */
  readonly stopPolicy?: 'afterChangesUploaded' | 'immediately';
  /**
   * The client reset that the session makes when the server has another history than this realm. This happens after the
   * server was restored from a backup, for example.
   *
   * @defaultValue `recoverOrDiscard`
   */
  readonly clientReset?: ClientReset;
  /**
   * Whether a storage that belongs to another user is opened. `reject`: `openRealm` rejects with a `SyncError`
   * `other-user`. `read`: the realm opens, so that the app can show or export the unsent changes of the other user. It
   * does not sync, and writes are rejected with `other-user`, because they would be uploaded as that user.
   *
   * @defaultValue `reject`
   */
  readonly otherUser?: 'reject' | 'read';
}

/** The type of `realm.session`: never `null` for a realm that syncs. */
export type SessionOf<Sync> = Sync extends SyncOptions ? SyncSession : null;

/** Rejects unknown names in the sync options at compile time. */
type KnownOnly<Sync> = Sync & Readonly<Record<Exclude<keyof Sync, keyof SyncOptions>, never>>;

/**
 * Options of `openRealm`.
 *
 * @example
 * ```ts
 * const options: RealmOptions<typeof schema> = { schema, storage: './data', sync: { client, realm: 'team-42' } };
 * ```
 */
export interface RealmOptions<S extends Schema, Sync extends SyncOptions | undefined = SyncOptions | undefined> {
  /** The object types of the realm. */
  readonly schema: S & ValidSchema<S>;
  /**
   * The version of the schema in this app: a whole number, to be raised by one whenever stored objects must be
   * migrated. A storage that a later version wrote is not opened. For local realms only: a synced history is written by
   * apps of all versions at once, so its schema may only gain properties.
   *
   * @defaultValue `0`
   */
  readonly schemaVersion?: number;
  /**
   * Adapts the objects of an earlier version of the app to the schema. Runs in one transaction, before the realm opens,
   * when `schemaVersion` is higher than that of the storage. Does not run in a realm without objects. If it throws,
   * nothing changes and `openRealm` rejects.
   *
   * @defaultValue none: the stored objects must fit the schema
   */
  readonly migrate?: Migrate<S>;
  /**
   * The storage of the realm: in Node a folder, which LevelDB keeps; in browsers the name of an IndexedDB database; or
   * a storage of the app's own.
   */
  readonly storage: string | Storage | OpenStorage;
  /**
   * The server realm to sync with.
   *
   * @defaultValue none: the realm is a local realm
   */
  readonly sync?: KnownOnly<Sync>;
  /**
   * Makes the realm hold only the objects that it subscribes to, by `realm.subscribe`. From `createSubscriptions`.
   * Needs `sync`.
   *
   * @defaultValue none: the realm holds all objects of the server's realm
   */
  readonly subscriptions?: RealmSubscriptions<NoInfer<S>>;
  /**
   * Whether several tabs, frames and workers of a browser can open the realm at once. `share`: all can, and one of them
   * has the session. `exclusive`: the first one has the realm for itself, and opening it elsewhere rejects with a
   * `StorageError`. Only for a storage that is given by its name, in browsers with Web Locks and `BroadcastChannel`;
   * everywhere else a realm is exclusive.
   *
   * @defaultValue `share`
   *
   * @see docs/tabs.md
   */
  readonly tabs?: 'share' | 'exclusive';
  /**
   * The source of time and chance.
   *
   * @defaultValue the clock of the client, or `systemClock` for a local realm
   */
  readonly clock?: Clock;
}
