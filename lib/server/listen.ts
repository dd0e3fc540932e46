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
import { InvalidArgumentError } from '../model/errors.js';
import { checkedNumber, checkedOptions } from '../model/limits.js';
import { closeCodes, subprotocol, type ClientMessage, type ServerMessage } from '../protocol/messages.js';
import { serverWire } from '../protocol/wires.js';
import { accept } from '../transport/accept.js';
import { listen, type Connection, type Listening } from '../transport/listen.js';
import type { Wire } from '../transport/wire.js';
import { createCore, type Core } from './core.js';
import { ServerClosedError } from './failure.js';
import { checkedServerOptions, type CheckedOptions, type ServerOptions } from './options.js';

export interface ListenOptions {
  /** 0: any free one. */
  readonly port: number;
  /** The address to listen on. Every one of this machine's with `authenticate`, only `127.0.0.1` without. */
  readonly host?: string;
}

export interface SyncServer {
  /** The server without a socket: `of(server.wire)` is a complete transport for a client in the same process. */
  readonly wire: Wire<ClientMessage, ServerMessage>;
  /**
   * Opens the storage and a port for WebSockets; resolves to the port when it is open. Rejects with an `InvalidArgumentError`
   * for options that make no sense, with a `StorageError`, or with Node's error of the port.
   */
  readonly listen: (options: ListenOptions) => Promise<{ readonly port: number }>;
  /**
   * Shuts down and loses nothing: stops accepting, tells every client to come back in a moment, and resolves when what was
   * uploaded is durable and the storage is closed. Calling it again waits for the same.
   */
  readonly close: () => Promise<void>;
}

/** Milliseconds that clients have to answer the closing of their socket. */
const graceMs = 2_000;

const thisMachine = '127.0.0.1';
const namesOfThisMachine = [thisMachine, '::1', 'localhost'];

const checkedPlace = (
  options: ListenOptions,
  isGuarded: boolean,
): { readonly port: number; readonly host?: string } => {
  const { port, host } = checkedOptions('options', options, ['port', 'host']);
  if (!Number.isInteger(checkedNumber('port', port, 0, 65_535)))
    throw new InvalidArgumentError('port', 'a whole number', port);
  if (host !== undefined && (typeof host !== 'string' || host === ''))
    throw new InvalidArgumentError('host', 'a name or an address', host);
  if (isGuarded) return host === undefined ? { port } : { port, host };
  if (host === undefined || namesOfThisMachine.includes(host)) return { port, host: host ?? thisMachine };
  throw new InvalidArgumentError(
    'host',
    `${namesOfThisMachine.join(', ')}, because without authenticate anybody could come (to let them: authenticate: anyone)`,
    host,
  );
};

/** Opens a port and answers everybody who calls it. Emits once it is open; runs until it is let go of. */
const serving = (
  { wire }: Core,
  { clock, limits, log }: CheckedOptions,
  place: ListenOptions,
): Observable<Listening> => {
  const answered = ({ socket }: Connection): Observable<never> =>
    accept(socket, serverWire(wire), {
      failed: (error) => log({ level: 'error', event: 'failed', realm: null, error }),
    });
  return listen({ place, protocols: [subprotocol], frameBytesMax: limits.frameBytesMax, clock }).pipe(
    switchMap((listening) => merge(listening.connections$.pipe(mergeMap(answered)), of(listening))),
  );
};

/** Makes a server. Nothing is opened before somebody calls its wire or it listens. Throws an `InvalidArgumentError` for options that make no sense. */
export const createSyncServer = (options: ServerOptions): SyncServer => {
  const checked = checkedServerOptions(options);
  const core = createCore(checked);
  const ports = new Set<Observable<Listening>>();
  const stopped = new Subject<void>();
  let closed: Promise<void> | null = null;

  const running = (place: ListenOptions): Observable<Listening> =>
    serving(core, checked, place).pipe(
      takeUntil(stopped),
      share({
        connector: () => new ReplaySubject(1),
        resetOnRefCountZero: false,
        resetOnComplete: false,
        resetOnError: false,
      }),
    );

  const freed$ = defer(() =>
    merge(
      ...[...ports].map((port$) =>
        port$.pipe(
          take(1),
          catchError(() => EMPTY),
          mergeMap(({ close }) => close(closeCodes.restarting, 'the server is going away', graceMs)),
        ),
      ),
    ),
  );
  const ended$ = defer(() => {
    stopped.next();
    return EMPTY;
  });
  const checkOpen = (): void => {
    if (closed !== null) throw new ServerClosedError('this server was closed');
  };

  return {
    wire: core.wire,
    listen: async (place) => {
      const port$ = running(checkedPlace(place, checked.isGuarded));
      checkOpen();
      await firstValueFrom(core.opened$);
      checkOpen();
      ports.add(port$);
      try {
        const { port } = await firstValueFrom(port$);
        return { port };
      } catch (thrown) {
        ports.delete(port$);
        throw thrown;
      }
    },
    close: () =>
      (closed ??= lastValueFrom(concat(core.closing$, freed$, core.closed$, ended$), { defaultValue: undefined })),
  };
};
