import { createPorts, writeBackup } from '#server/server-ports';
import { concat, firstValueFrom, lastValueFrom } from 'rxjs';
import type { BackupSummary } from '../backup/backup.js';
import type { ClientMessage, ServerMessage } from '../protocol/messages.js';
import { createResponder, type Respond } from '../transport/http-handler.js';
import type { Wire } from '../transport/wire.js';
import { allowAnyone } from './auth/access.js';
import { createServerCore } from './server-core.js';
import {
  checkAttachOptions,
  checkListenOptions,
  type Endpoint,
  type AttachOptions,
  type ListenOptions,
} from './listen-options.js';
import { ServerClosedError } from './server-errors.js';
import { type ServerOptions } from './server-options.js';
import { checkServerOptions } from './check-server-options.js';
import { routesOf } from './http/http-routes.js';
import type { HttpServer } from '../transport/http-types.js';

/**
 * A sync server: accepts clients, keeps the histories of realms, and sends each client the changes of the others.
 *
 * @example
 * ```ts
 * const server = createSyncServer({ storage: './data' });
 * const { port } = await server.listen({ port: 8787 });
 * process.once('SIGTERM', () => void server.close());
 * ```
 *
 * @see {@link createSyncServer}
 */
export interface SyncServer {
  /**
   * The server without a socket. `of(server.wire)` is a complete transport for a client in the same process. Cold: each
   * subscription is one connection. Emits the messages of the server. Completes when the sent stream completes. Errors
   * with a `ConnectionError` when the server ends the connection.
   *
   * @param sent$ - The messages of the client.
   * @returns A stream of the server's messages.
   *
   * @example
   * ```ts
   * const client = createSyncClient({ dial: of(server.wire) });
   * ```
   */
  readonly wire: Wire<ClientMessage, ServerMessage>;
  /**
   * Opens the storage and listens for WebSockets on a port of its own. The port also serves `/healthz`, `/readyz` and
   * `/metrics`, and with the option `inspector` the page `/inspector`.
   *
   * @param options - Port, address, path, origins and inspector.
   * @returns A promise of the port, which resolves when the port is open.
   * @throws InvalidArgumentError (as a rejection) for an invalid option.
   * @throws StorageError (as a rejection) when the storage cannot be opened.
   * @throws ServerClosedError (as a rejection) after `close`.
   * @throws Node's error (as a rejection) when the port cannot be opened.
   *
   * @example
   * ```ts
   * const { port } = await server.listen({ port: 8787 });
   * ```
   */
  readonly listen: (options: ListenOptions) => Promise<{ readonly port: number }>;
  /**
   * Opens the storage and accepts WebSockets on an HTTP server of the app. The app keeps control of its server:
   * whether, where and how long it listens. Without a `path` every upgrade is handled here.
   *
   * @param server - A server of `node:http` or `node:https`.
   * @param options - Path, origins and `trustProxy`.
   * @returns A promise that resolves when the storage is open and WebSockets are accepted.
   * @throws InvalidArgumentError (as a rejection) for an invalid server or option.
   * @throws StorageError (as a rejection) when the storage cannot be opened.
   * @throws ServerClosedError (as a rejection) after `close`.
   *
   * @example
   * ```ts
   * const app = createServer((request, response) => {
   *   if (!server.respond(request, response)) response.writeHead(404).end();
   * });
   * await server.attach(app, { path: '/sync' });
   * app.listen(8080);
   * ```
   */
  readonly attach: (server: HttpServer, options?: AttachOptions) => Promise<void>;
  /**
   * Answers `/healthz`, `/readyz` and `/metrics` inside the request handler of the app's HTTP server. Requests for
   * `/metrics` that came through a proxy get 404. Otherwise the app decides from where its server can be reached.
   *
   * @param request - The request of `node:http`.
   * @param response - The response to it.
   * @returns Whether the request was answered. If not, the app must answer it.
   *
   * @example
   * ```ts
   * const app = createServer((request, response) => {
   *   if (!server.respond(request, response)) response.writeHead(404).end();
   * });
   * ```
   */
  readonly respond: Respond;
  /**
   * Writes everything that the storage holds at this moment into a file, while the server works. The file gets its name
   * only when all of it is on the disk. `tidemark restore` turns the file into a folder for a server.
   *
   * @param file - The path of the new file, which must not exist.
   * @returns A promise of the size of the backup.
   * @throws BackupError (as a rejection) when the file exists or cannot be written, and for an app's own storage
   * without `copy`.
   * @throws InvalidArgumentError (as a rejection) for an invalid path.
   * @throws StorageError (as a rejection) when the storage cannot be read.
   * @throws ServerClosedError (as a rejection) after `close`.
   *
   * @example
   * ```ts
   * const { bytes } = await server.backup('/var/backups/tidemark.backup');
   * ```
   */
  readonly backup: (file: string) => Promise<BackupSummary>;
  /**
   * Shuts down without losing data. Stops accepting connections, and sends every client a time to reconnect, spread at
   * random. Later calls return the same promise.
   *
   * @returns A promise that resolves when all received uploads are durable and the storage is closed.
   *
   * @example
   * ```ts
   * process.once('SIGTERM', () => void server.close());
   * ```
   */
  readonly close: () => Promise<void>;
}

/**
 * Creates a sync server. It opens nothing until a client uses its wire, or `listen`, `attach` or `backup` is called.
 *
 * @param options - Storage, authentication, access and limits.
 * @returns The server. Close it with `server.close()`.
 * @throws InvalidArgumentError for an invalid option.
 *
 * @example
 * ```ts
 * const server = createSyncServer({
 *   storage: './data',
 *   authenticate: jwt({ secret: readSecret() }),
 *   authorize: (user, realm) => (realm === `user-${userPart(user.id)}` ? 'write' : 'none'),
 * });
 * const { port } = await server.listen({ port: 8787 });
 * ```
 *
 * @see docs/hosting.md
 */
export const createSyncServer = (options: ServerOptions): SyncServer => {
  const checked = checkServerOptions(options);
  const core = createServerCore(checked);
  const respond = createResponder(routesOf(core));
  const ports = createPorts(core, checked, respond);
  const needsToken = checked.authenticate !== allowAnyone;
  let closed: Promise<void> | null = null;

  const checkOpen = (): void => {
    if (closed !== null) throw new ServerClosedError('This server is closed. Create another one.');
  };
  const openPort = async (endpoint: Endpoint): Promise<{ readonly port: number }> => {
    checkOpen();
    await firstValueFrom(core.opened$);
    checkOpen();
    return ports.open(endpoint);
  };
  const closing$ = concat(core.closing$, ports.released$, core.closed$, ports.stopped$);

  return {
    wire: core.wire,
    listen: async (options) => {
      const { port } = await openPort(checkListenOptions(options, checked.isRemoteAllowed, needsToken));
      return { port };
    },
    attach: async (server, options = {}) => {
      await openPort(checkAttachOptions(server, options, needsToken));
    },
    respond,
    backup: async (file) => {
      checkOpen();
      return writeBackup(await firstValueFrom(core.opened$), file);
    },
    close: () => (closed ??= lastValueFrom(closing$, { defaultValue: undefined })),
  };
};
