import type { Clock } from '../clock.js';
import type { Schema } from '../model/schema.js';
import type { ValidSchema } from '../model/schema-types.js';
import type { ClientReset } from '../session/binding/client-reset.js';
import type { SyncSession } from '../session/api/sync-session.js';
import type { OpenStorage, Storage } from '../storage/storage.js';
import type { Migrate } from '../store/transfer/migrate.js';
import type { SyncClient } from './sync-client.js';

/** With which server a realm is kept in step. */
export interface SyncOptions {
  readonly client: SyncClient;
  /** Its name on the server: letters, digits and `. _ ~ -`. */
  readonly realm: string;
  /**
   * What the last `close` does with changes that are not on the server yet: it goes on until they are, unless told to
   * stop at once.
   */
  readonly stopPolicy?: 'afterChangesUploaded' | 'immediately';
  /**
   * What to do when the server has another history: it was restored from a backup, or is another one.
   * `recoverOrDiscard` unless given.
   */
  readonly clientReset?: ClientReset;
  /**
   * What to do when the copy on this device belongs to another user. `refuse`: `openRealm` rejects with a `SyncError`
   * `other-user`. `read`: the realm opens, so that the app can show or export what the other user has not sent; it does
   * not sync, and writes are rejected with `other-user`, because they would be written as that user.
   *
   * @defaultValue `refuse`
   */
  readonly otherUser?: 'refuse' | 'read';
}

/** What the handle of a realm has as its session: that of a synced realm is there. */
export type SessionOf<Sync> = Sync extends SyncOptions ? SyncSession : null;

/** Sync options as they are given, without names that there are not. */
type KnownOnly<Sync> = Sync & Readonly<Record<Exclude<keyof Sync, keyof SyncOptions>, never>>;

export interface RealmOptions<S extends Schema, Sync extends SyncOptions | undefined = SyncOptions | undefined> {
  /** The types of object it holds. */
  readonly schema: S & ValidSchema<S>;
  /**
   * The app's version of the schema: a whole number, 0 unless given, one more whenever stored objects have to be
   * changed to fit. A realm that a later version has written is refused. Local realms only: a history that devices
   * share is written by apps of every version at once, so there properties are only ever added.
   */
  readonly schemaVersion?: number;
  /**
   * Makes what an earlier version has written fit: runs once, in one transaction, before the realm opens. If it throws,
   * nothing has changed.
   */
  readonly migrate?: Migrate<S>;
  /**
   * A place: in Node a folder that LevelDB keeps, in browsers the name of an IndexedDB database; or a storage of your
   * own.
   */
  readonly storage: string | Storage | OpenStorage;
  /** With which server it is kept in step; leave it out for a realm that is only local. */
  readonly sync?: KnownOnly<Sync>;
  /** Time and chance; the client's unless given. */
  readonly clock?: Clock;
}
