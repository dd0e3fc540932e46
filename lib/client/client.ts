import { firstValueFrom, forkJoin, type Observable, of } from 'rxjs';
import { InvalidArgumentError, type SyncError } from '../model/errors.js';
import { type ClientCore, createClientCore } from './core.js';
import { type AccessToken, asked, checkedClientOptions, type SyncClientOptions } from './options.js';

/** One user on one server: all its realms share one connection. */
export interface SyncClient {
  /** What went wrong in the sessions of this client, each error once. Hot, never errors; completes with `close`. */
  readonly errors$: Observable<SyncError>;
  /** Makes all sessions try now, and starts the backoff over. A line that looks alive is only probed. */
  readonly reconnect: () => void;
  /** Logs a user in: every session that was logged out is active again. */
  readonly logIn: (accessToken?: AccessToken) => void;
  /** Logs the user out: every session is inactive, its waits error. What was not sent waits in the realms. */
  readonly logOut: () => void;
  /** Ends all sessions now. What was not sent waits in the realms for the next time. Resolves when everything is released. */
  readonly close: () => Promise<void>;
}

const cores = new WeakMap<SyncClient, ClientCore>();

/** The inside of a client that `createSyncClient` has made. */
export const coreOf = (client: unknown): ClientCore => {
  const core = cores.get(client as SyncClient);
  if (core) return core;
  throw new InvalidArgumentError('sync.client', 'a client made by createSyncClient', client);
};

/** Makes a client. It connects when the first realm is opened with it. Throws an `InvalidArgumentError` for options that make no sense. */
export const createSyncClient = (options: SyncClientOptions): SyncClient => {
  const checked = checkedClientOptions(options);
  const core = createClientCore(checked);
  const client: SyncClient = {
    errors$: core.error$,
    reconnect: core.reconnect,
    logIn: (next) => core.logIn(next ? asked(next) : checked.accessToken),
    logOut: core.logOut,
    close: async () => {
      const released = core.close().map(({ released$ }) => released$);
      await firstValueFrom(released.length > 0 ? forkJoin(released) : of(null));
    },
  };
  cores.set(client, core);
  return client;
};
