import { catchError, firstValueFrom, forkJoin, type Observable, of, switchMap } from 'rxjs';
import { DiscardError, InvalidArgumentError, type AnySyncError } from '../model/errors.js';
import { checkOptions } from '../model/limits.js';
import { waitForUpload } from '../session/api/completion.js';
import { type ClientCore, createClientCore } from './client-core.js';
import { type RealmEntry, realmsOf } from './realm-registry.js';
import {
  type AccessToken,
  tokenSourceOf,
  checkAccessToken,
  checkClientOptions,
  checkUserId,
  type SyncClientOptions,
} from './client-options.js';

/** What becomes of changes that are not on the server when the user logs out. */
export interface LogOutOptions {
  readonly unsynced?: 'keep' | 'wait' | 'discard';
}

/** One user on one server: all its realms share one connection. */
export interface SyncClient {
  /** What went wrong in the sessions of this client, each error once. Hot, never errors; completes with `close`. */
  readonly errors$: Observable<AnySyncError>;
  /** Makes all sessions try now, and starts the backoff over. A line that looks alive is only probed. */
  readonly reconnect: () => void;
  /**
   * Logs a user in: every session that was logged out is active again. When another `user` is logged in, that one is
   * logged out first, with `keep`.
   *
   * @param accessToken - Where the user's tokens come from; the same as before unless given.
   * @param options - The id of the user, as `user` of `createSyncClient`. The same as before when no `accessToken` is
   * given either.
   * @throws InvalidArgumentError for what is no function, or no id.
   */
  readonly logIn: (accessToken?: AccessToken, options?: { readonly user?: string }) => void;
  /**
   * Logs the user out: every session is inactive, its waits error, and the line is hung up. What was not sent waits in
   * the realms (`keep`, the default, at once), is uploaded before (`wait`, for as long as that takes: silent while
   * offline or paused; a `logIn` meanwhile calls it off), or is discarded with the rest of the realms' data (`discard`,
   * at once): they are downloaded again after the next log-in.
   *
   * `discard` covers objects, unsent writes and rejected writes as they are at the call, of the realms that are open or
   * being opened and of those that this client has had open in this process and that are closed now, but for closed
   * ones of another `user`. It goes on when one storage fails. What is written after the call stays. A session starts
   * at the next log-in when its realm has been discarded; opening a closed realm waits for that, too.
   *
   * @returns A promise that resolves when all that is done.
   * @throws DiscardError (as a rejection) when the data of some realms could not be discarded: `realms` names them. The
   * user is logged out.
   * @throws InvalidStateError (as a rejection) for `discard` inside the function of a write. Nothing has changed.
   */
  readonly logOut: (options?: LogOutOptions) => Promise<void>;
  /**
   * Ends all sessions now. What was not sent waits in the realms for the next time. Resolves when everything is
   * released.
   */
  readonly close: () => Promise<void>;
}

const cores = new WeakMap<SyncClient, ClientCore>();

/** The inside of a client that `createSyncClient` has made. */
export const coreOf = (client: unknown): ClientCore => {
  const core = cores.get(client as SyncClient);
  if (core) return core;
  throw new InvalidArgumentError('sync.client', 'a client made by createSyncClient', client);
};

const unsyncedPolicies: readonly unknown[] = ['keep', 'wait', 'discard'];

const logOutWith = async (core: ClientCore, options: LogOutOptions = {}): Promise<void> => {
  const { unsynced = 'keep' } = checkOptions('logOut', options, ['unsynced']);
  if (!unsyncedPolicies.includes(unsynced))
    throw new InvalidArgumentError('logOut.unsynced', unsyncedPolicies.join(' or '), unsynced);
  if (unsynced === 'wait') {
    // A session that ends by itself has nothing more to upload.
    const logIns = core.logIns();
    const uploads = core
      .members()
      .filter(({ machine }) => machine.getState().sync !== 'inactive') // Nothing but a log-in would make it go on.
      .map(({ machine }) => waitForUpload(machine).pipe(catchError(() => of(0))));
    if (uploads.length > 0) await firstValueFrom(forkJoin(uploads));
    if (core.logIns() !== logIns) return; // Whoever logged in meanwhile is not meant.
  }
  if (unsynced !== 'discard') {
    core.logOut();
    return;
  }
  const left = await firstValueFrom(core.logOutAndDiscard());
  if (left.length > 0) throw new DiscardError(left);
};

/** Emits once and completes when a realm is released, also one that is only opening. */
const releaseOf = ({ opened$ }: RealmEntry): Observable<unknown> =>
  opened$.pipe(
    switchMap(({ released$ }) => released$),
    catchError(() => of(null)),
  );

/**
 * Makes a client. It connects when the first realm is opened with it. Throws an `InvalidArgumentError` for options that
 * make no sense.
 */
export const createSyncClient = (options: SyncClientOptions): SyncClient => {
  const checked = checkClientOptions(options);
  const core = createClientCore(checked);
  const client: SyncClient = {
    errors$: core.errors$ as Observable<AnySyncError>,
    reconnect: core.reconnect,
    logIn: (next, options = {}) => {
      const { user } = checkOptions('logIn', options, ['user']);
      const id = checkUserId('logIn.user', user) ?? (next === undefined ? checked.user : null);
      core.logIn(next === undefined ? checked.accessToken : tokenSourceOf(checkAccessToken(next)), id);
    },
    logOut: (how) => logOutWith(core, how),
    close: async () => {
      const released = [...[...realmsOf(core).values()].map(releaseOf), ...core.discards.clearing.values()];
      core.close();
      await firstValueFrom(released.length > 0 ? forkJoin(released) : of(null));
    },
  };
  cores.set(client, core);
  return client;
};
