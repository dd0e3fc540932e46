import {
  catchError,
  defer,
  EMPTY,
  finalize,
  firstValueFrom,
  ignoreElements,
  merge,
  mergeMap,
  type Observable,
  of,
  ReplaySubject,
  share,
  Subject,
  switchMap,
  take,
  takeUntil,
  tap,
} from 'rxjs';
import { writeBackup as writeBackupFile, type BackupSummary } from '../../backup/backup.js';
import { runAction } from '../../model/operators.js';
import { closeCodes, subprotocol } from '../../protocol/messages.js';
import type { Storage } from '../../storage/storage.js';
import { createResponder, type Respond } from '../../transport/http-handler.js';
import { listen, type WebSocketListener } from '../../transport/websocket-listener.js';
import type { CheckedServerOptions } from '../check-server-options.js';
import { createConnectionLimiter } from '../connections/connection-limiter.js';
import { createSocketHandler } from '../connections/serve-sockets.js';
import { createInspectorRoutes } from '../inspector/inspector-routes.js';
import type { Endpoint } from '../listen-options.js';
import type { ServerCore } from '../server-core.js';

/** Milliseconds that clients have to answer the closing handshake of their socket. */
const graceMs = 2_000;

/** Adds the inspector to the answers of a port. */
const addInspector = (
  core: ServerCore,
  options: CheckedServerOptions,
  { inspector, trustProxy }: Endpoint,
  respond: Respond,
): Respond => {
  if (inspector === null) return respond;
  const inspect = createResponder(createInspectorRoutes({ core, options, access: inspector, trustProxy }));
  return (request, response) => inspect(request, response) || respond(request, response);
};

/** Opens a port and serves its connections. Cold: emits once the port is open, and runs until it is unsubscribed. */
const servePort = (
  core: ServerCore,
  options: CheckedServerOptions,
  endpoint: Endpoint,
  respondDefault: Respond,
): Observable<WebSocketListener> =>
  defer(() => {
    const { clock, middleware, limits, log } = options;
    const { origins, target, path, trustProxy } = endpoint;
    const respond = addInspector(core, options, endpoint, respondDefault);
    const place = { target, trustProxy, ...(path === undefined ? {} : { path }) };
    const limiter = createConnectionLimiter({ origins, limits, clock, serverCounters: core.serverCounters, log });
    const { admit, onRejected } = limiter;
    const { frameBytesMax } = limits;
    const { answer, stop, watch$ } = createSocketHandler({ core, limiter, clock, middleware, limits, log });
    return listen({ ...place, protocols: [subprotocol], frameBytesMax, clock, admit, onRejected, respond }).pipe(
      switchMap((listening) =>
        merge(listening.connections$.pipe(tap(answer), ignoreElements()), watch$, of(listening)),
      ),
      finalize(stop),
    );
  });

/** Opens and closes the ports of one server. Each port stays open until the server closes. */
export const createPorts = (core: ServerCore, checked: CheckedServerOptions, respond: Respond) => {
  const ports = new Set<Observable<WebSocketListener>>();
  const stopped = new Subject<void>();
  const servePortOnce = (endpoint: Endpoint): Observable<WebSocketListener> =>
    servePort(core, checked, endpoint, respond).pipe(
      takeUntil(stopped),
      share({
        connector: () => new ReplaySubject(1),
        resetOnRefCountZero: false,
        resetOnComplete: false,
        resetOnError: false,
      }),
    );
  return {
    open: async (endpoint: Endpoint): Promise<WebSocketListener> => {
      const port$ = servePortOnce(endpoint);
      ports.add(port$);
      try {
        return await firstValueFrom(port$);
      } catch (thrown) {
        ports.delete(port$);
        throw thrown;
      }
    },
    released$: defer(() =>
      merge(
        ...[...ports].map((port$) =>
          port$.pipe(
            take(1),
            catchError(() => EMPTY),
            mergeMap(({ close }) => close(closeCodes.restarting, 'The server is shutting down.', graceMs)),
          ),
        ),
      ),
    ),
    stopped$: runAction(() => stopped.next()),
  };
};

/** Writes a backup of the storage into a file. */
export const writeBackup = (storage: Storage, file: string): Promise<BackupSummary> => writeBackupFile(storage, file);
