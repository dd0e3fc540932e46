import { catchError, firstValueFrom, forkJoin, type Observable, of, switchMap } from 'rxjs';
import { DiscardError, type AnySyncError } from '../model/errors.js';
import { checkOneOf } from '../model/check-arguments.js';
import { checkOptions } from '../model/limits.js';
import { waitForUpload } from '../session/api/completion.js';
import { type ClientCore, createClientCore } from './client-core.js';
import { registerClient } from './client-registry.js';
import { createSyncSupport } from './sync-support.js';
import { type RealmEntry, realmsOf } from './realm-registry.js';
import {
  type AccessToken,
  tokenSourceOf,
  checkAccessToken,
  checkClientOptions,
  checkUserId,
  type SyncClientOptions,
} from './client-options.js';

/**
 * Options of `logOut`.
 *
 * @example
 * ```ts
 * await client.logOut({ unsynced: 'wait' });
 * ```
 */
export interface LogOutOptions {
  /**
   * The treatment of changes that are not on the server yet. `keep`: they stay in the storage until the user logs in
   * again. `wait`: the log-out waits until they are uploaded. `discard`: all data of the user's realms is deleted on
   * this device.
   *
   * @defaultValue `keep`
   */
  readonly unsynced?: 'keep' | 'wait' | 'discard';
}

/**
 * One user on one server. All realms of a client share one connection.
 *
 * @example
 * ```ts
 * const client = createSyncClient({ url: 'wss://sync.example.com', accessToken: () => readToken() });
 * client.errors$.subscribe((error) => console.error(error.code, error.advice));
 * await client.close();
 * ```
 */
export interface SyncClient {
  /**
   * Observes the errors of all sessions. Hot. Emits each error once, when it happens. Completes with `close`. Never
   * errors. Each value is one `SyncError`; switch on its `code`.
   */
  readonly errors$: Observable<AnySyncError>;
  /**
   * Makes the client connect immediately and resets the backoff. A connection that looks alive is only probed.
   *
   * @example
   * ```ts
   * retryButton.onclick = () => client.reconnect();
   * ```
   */
  readonly reconnect: () => void;
  /**
   * Logs a user in: all sessions that were logged out become active again. If another `user` is logged in, that user is
   * logged out first, as with `keep`.
   *
   * @param accessToken - Returns tokens of the user; the previous function when it is left out.
   * @param options - `user` is the id of the user, as in the options of `createSyncClient`; the previous id when both
   * arguments are left out.
   * @throws InvalidArgumentError for an invalid function or id.
   *
   * @example
   * ```ts
   * client.logIn(() => readToken(), { user: 'ann' });
   * ```
   */
  readonly logIn: (accessToken?: AccessToken, options?: { readonly user?: string }) => void;
  /**
   * Logs the user out. Every session becomes inactive, its pending waits error, and the connection closes.
   *
   * `unsynced` decides about changes that are not on the server yet. With `keep`, the default, the client logs out
   * immediately and the changes stay in their realms. With `wait` it logs out after they are uploaded, which takes as
   * long as the client is offline or a session is paused; a `logIn` meanwhile cancels the log-out. With `discard` it
   * logs out immediately and deletes all data of the realms; they are downloaded again after the next log-in.
   *
   * `discard` deletes objects, unsent writes and rejected writes as they are at the call. It covers the realms that are
   * open or opening, and the closed realms that this client had open in this process, except closed realms of another
   * user. When one storage fails, it goes on with the others. Writes after the call stay. A session starts at the next
   * log-in only when its realm has been deleted; opening a closed realm waits for that too.
   *
   * @param options - How to handle unsent changes.
   * @returns A promise that resolves when the user is logged out and everything is deleted that had to be.
   * @throws DiscardError (as a rejection) when the data of some realms could not be deleted: `realms` names them. The
   * user is logged out.
   * @throws InvalidStateError (as a rejection) for `discard` inside the function of a write. Nothing has changed.
   *
   * @example
   * ```ts
   * await client.logOut({ unsynced: 'discard' });
   * ```
   */
  readonly logOut: (options?: LogOutOptions) => Promise<void>;
  /**
   * Ends all sessions immediately. Unsent changes stay in their realms.
   *
   * @returns A promise that resolves when the connection and all storages are closed.
   *
   * @example
   * ```ts
   * await client.close();
   * ```
   */
  readonly close: () => Promise<void>;
}

const logOutWith = async (core: ClientCore, options: LogOutOptions = {}): Promise<void> => {
  const { unsynced = 'keep' } = checkOptions('options of logOut', options, ['unsynced']);
  checkOneOf('logOut.unsynced', ['keep', 'wait', 'discard'], unsynced);
  if (unsynced === 'wait') {
    // The upload wait of a session that ends for another reason counts as done.
    const logIns = core.logIns();
    const uploads = core
      .members()
      .filter(({ machine }) => machine.getState().sync !== 'inactive') // An inactive session uploads nothing until a log-in.
      .map(({ machine }) => waitForUpload(machine).pipe(catchError(() => of(0))));
    if (uploads.length > 0) await firstValueFrom(forkJoin(uploads));
    if (core.logIns() !== logIns) return; // A log-in meanwhile cancels the log-out.
  }
  if (unsynced !== 'discard') {
    core.logOut();
    return;
  }
  const undiscarded = await firstValueFrom(core.logOutAndDiscard());
  if (undiscarded.length > 0) throw new DiscardError(undiscarded);
};

/** Emits once and completes when a realm is released. Includes a realm that is still opening. */
const releaseOf = ({ opened$ }: RealmEntry): Observable<unknown> =>
  opened$.pipe(
    switchMap(({ released$ }) => released$),
    catchError(() => of(null)),
  );

/**
 * Creates a client. The client connects when the first realm is opened with it.
 *
 * @param options - The server (`url` or `dial`) and, if the server authenticates users, `accessToken`.
 * @returns A client. Close it with `client.close()`.
 * @throws InvalidArgumentError for invalid options.
 *
 * @example
 * ```ts
 * const client = createSyncClient({
 *   url: 'wss://sync.example.com',
 *   accessToken: async () => (await fetch('/token')).text(),
 * });
 * ```
 *
 * @see {@link openRealm}
 */
export const createSyncClient = (options: SyncClientOptions): SyncClient => {
  const checked = checkClientOptions(options);
  const core = createClientCore(checked);
  const client: SyncClient = {
    errors$: core.errors$ as Observable<AnySyncError>,
    reconnect: core.reconnect,
    logIn: (next, options = {}) => {
      const { user } = checkOptions('options of logIn', options, ['user']);
      const id = checkUserId('logIn.user', user) ?? (next === undefined ? checked.user : null);
      core.logIn(next === undefined ? checked.accessToken : tokenSourceOf(checkAccessToken(next)), id);
    },
    logOut: (options) => logOutWith(core, options),
    close: async () => {
      const released = [...[...realmsOf(core).values()].map(releaseOf), ...core.discards.clearing.values()];
      core.close();
      await firstValueFrom(released.length > 0 ? forkJoin(released) : of(null));
    },
  };
  registerClient(client, createSyncSupport(core));
  return client;
};
