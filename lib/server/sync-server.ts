import {
  catchError,
  concat,
  defer,
  EMPTY,
  firstValueFrom,
  lastValueFrom,
  merge,
  mergeMap,
  of,
  ReplaySubject,
  share,
  Subject,
  switchMap,
  take,
  takeUntil,
  type Observable,
} from 'rxjs';
import { writeBackup, type BackupSummary } from '../backup/backup.js';
import { closeCodes, subprotocol, type ClientMessage, type ServerMessage } from '../protocol/messages.js';
import { listen, type WebSocketListener } from '../transport/websocket-listener.js';
import { createResponder, type Respond } from '../transport/http-handler.js';
import type { Wire } from '../transport/wire.js';
import { allowAnyone } from './auth/access.js';
import { createSocketHandler } from './connections/serve-sockets.js';
import { createServerCore, type ServerCore } from './server-core.js';
import {
  checkAttachOptions,
  checkListenOptions,
  type Endpoint,
  type AttachOptions,
  type ListenOptions,
} from './listen-options.js';
import { createConnectionLimiter } from './connections/connection-limiter.js';
import { ServerClosedError } from './server-errors.js';
import { checkServerOptions, type CheckedServerOptions, type ServerOptions } from './server-options.js';
import { routesOf } from './http/http-routes.js';
import type { HttpServer } from '../transport/http-types.js';

export interface SyncServer {
  /** The server without a socket: `of(server.wire)` is a complete transport for a client in the same process. */
  readonly wire: Wire<ClientMessage, ServerMessage>;
  /**
   * Opens the storage and a port for WebSockets; resolves to the port when it is open. Rejects with an
   * `InvalidArgumentError` for options that make no sense, with a `StorageError`, or with Node's error of the port. On
   * that port it answers `/healthz`, `/readyz` and `/metrics`, too.
   */
  readonly listen: (options: ListenOptions) => Promise<{ readonly port: number }>;
  /**
   * Takes WebSockets on the path of a server of yours, beside whatever else that does; resolves when the storage is
   * open. The server stays yours: whether, where and how long it listens. Without a path of its own, every upgrade is
   * meant for here. Rejects as `listen`.
   */
  readonly attach: (server: HttpServer, options?: AttachOptions) => Promise<void>;
  /**
   * Answers `/healthz`, `/readyz` and `/metrics`, for the request handler of a server of yours, and says whether it
   * did: else the request is somebody else's. Whether that server is reachable from everywhere is its owner's business;
   * `/metrics` is not answered through a proxy.
   */
  readonly respond: Respond;
  /**
   * Writes all that is in the storage at this moment into a file, while the server works. The file must not be there
   * yet, and has its name only when all of it is on the disk. `tidemark restore` makes a folder for a server of it.
   * Rejects with a `BackupError`, as for a storage of your own without `copy`, or with a `StorageError`.
   */
  readonly backup: (file: string) => Promise<BackupSummary>;
  /**
   * Shuts down and loses nothing: stops accepting, tells every client to come back in a moment, each in another one,
   * and resolves when what was uploaded is durable and the storage is closed. Calling it again waits for the same.
   */
  readonly close: () => Promise<void>;
}

/** Milliseconds that clients have to answer the closing of their socket. */
const graceMs = 2_000;

/** Opens a port and answers everybody who calls it. Emits once it is open; runs until it is let go of. */
const servePort = (
  core: ServerCore,
  { clock, middleware, limits, log }: CheckedServerOptions,
  { origins, ...door }: Endpoint,
  respond: Respond,
): Observable<WebSocketListener> =>
  defer(() => {
    const limiter = createConnectionLimiter({ origins, limits, clock, serverCounters: core.serverCounters, log });
    const { admit, onRejected } = limiter;
    const { frameBytesMax } = limits;
    const { answer, watch$ } = createSocketHandler({ core, limiter, clock, middleware, limits, log });
    return listen({ ...door, protocols: [subprotocol], frameBytesMax, clock, admit, onRejected, respond }).pipe(
      switchMap((listening) => merge(listening.connections$.pipe(mergeMap(answer)), watch$, of(listening))),
    );
  });

/** The ports of one server, each open from the moment it is asked for until the server closes. */
const createPorts = (core: ServerCore, checked: CheckedServerOptions, respond: Respond) => {
  const ports = new Set<Observable<WebSocketListener>>();
  const stopped = new Subject<void>();
  const running = (door: Endpoint): Observable<WebSocketListener> =>
    servePort(core, checked, door, respond).pipe(
      takeUntil(stopped),
      share({
        connector: () => new ReplaySubject(1),
        resetOnRefCountZero: false,
        resetOnComplete: false,
        resetOnError: false,
      }),
    );
  return {
    open: async (door: Endpoint): Promise<WebSocketListener> => {
      const port$ = running(door);
      ports.add(port$);
      try {
        return await firstValueFrom(port$);
      } catch (thrown) {
        ports.delete(port$);
        throw thrown;
      }
    },
    freed$: defer(() =>
      merge(
        ...[...ports].map((port$) =>
          port$.pipe(
            take(1),
            catchError(() => EMPTY),
            mergeMap(({ close }) => close(closeCodes.restarting, 'the server is going away', graceMs)),
          ),
        ),
      ),
    ),
    stopped$: defer(() => {
      stopped.next();
      return EMPTY;
    }),
  };
};

/**
 * Makes a server. Nothing is opened before somebody calls its wire or it listens. Throws an `InvalidArgumentError` for
 * options that make no sense.
 */
export const createSyncServer = (options: ServerOptions): SyncServer => {
  const checked = checkServerOptions(options);
  const core = createServerCore(checked);
  const respond = createResponder(routesOf(core));
  const ports = createPorts(core, checked, respond);
  const asksWho = checked.authenticate !== allowAnyone;
  let closed: Promise<void> | null = null;

  const checkOpen = (): void => {
    if (closed !== null) throw new ServerClosedError('this server was closed');
  };
  const opened = async (door: Endpoint): Promise<WebSocketListener> => {
    checkOpen();
    await firstValueFrom(core.opened$);
    checkOpen();
    return ports.open(door);
  };
  const ended$ = concat(core.closing$, ports.freed$, core.closed$, ports.stopped$);

  return {
    wire: core.wire,
    listen: async (options) => {
      const { port } = await opened(checkListenOptions(options, checked.isRemoteAllowed, asksWho));
      return { port };
    },
    attach: async (server, options = {}) => {
      await opened(checkAttachOptions(server, options, asksWho));
    },
    respond,
    backup: async (file) => {
      checkOpen();
      return writeBackup(await firstValueFrom(core.opened$), file);
    },
    close: () => (closed ??= lastValueFrom(ended$, { defaultValue: undefined })),
  };
};
