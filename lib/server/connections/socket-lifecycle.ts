import type { Clock } from '../../clock.js';
import { limits as bounds } from '../../model/limits.js';
import { serverLimits } from '../server-limits.js';
import { closeCodes } from '../../protocol/messages.js';
import {
  createReceiveLimiter,
  type ReceiveLimiter,
  type ReceiveLimiterOwner,
} from '../../transport/receive-limiter.js';
import type { AcceptedSocket } from '../../transport/websocket-listener.js';
import { createCloseError, type Acceptor } from '../../transport/wire.js';
import { createAllowance } from './traffic-allowance.js';
import type { ClientInfo } from './server-connection.js';
import type { ConnectionLimiter } from './connection-limiter.js';
import type { ServerLimits } from '../server-options.js';
import { increment, type ServerCounters } from '../http/counters.js';
import type { ServerLog } from '../http/server-events.js';
import type { RoundRobin } from '../uploads/round-robin.js';

export interface SocketLifecyclePorts {
  readonly serverCounters: ServerCounters;
  readonly limiter: Pick<ConnectionLimiter, 'addConnection'>;
  readonly clock: Pick<Clock, 'now' | 'scheduler'>;
  readonly limits: Pick<ServerLimits, 'frameBytesMax'>;
  readonly log: ServerLog;
}

/**
 * The part of an upgrade request that is kept as long as its connection. Its headers would need more memory than all
 * the rest.
 */
export interface SocketInfo extends Pick<AcceptedSocket, 'socket' | 'address' | 'onBytes' | 'sendFrame'> {
  readonly origin: string | undefined;
}

/** A socket that is served. */
export interface ServedSocket {
  readonly socket: AcceptedSocket['socket'];
  readonly client: ClientInfo;
  readonly receiveLimiter: ReceiveLimiter;
  /** Identity of the user, shared by all connections of the user; `null` until the user is known. */
  usage: object | null;
  /** Ends the connection from the server. */
  end: (thrown: unknown) => void;
  /** The server's reason for ending the connection, for the log; empty if the server did not end it. */
  text: string;
  bytesIn: number;
  bytesOut: number;
  /** Time of the last received frame. */
  lastReceivedAt: number;
}

/** Close codes that are counted one by one: a client may close with any number. */
const loggedCodes: ReadonlySet<number> = new Set([...Object.values(closeCodes), 1005, 1006, 1009, 1011, 1012, 1013]);

/** Returns the text of a close without the values that it quotes from the client. */
export const loggableTextOf = (text: string): string => text.split(', received ', 1)[0] ?? '';

/** Returns an origin for the log. Anything that is not a valid origin may contain arbitrary text and is not logged. */
const loggableOriginOf = (origin: string | undefined): string | null => {
  if (origin === undefined) return null;
  const isOrigin = origin.length <= bounds.idCharsMax && URL.canParse(origin) && new URL(origin).origin === origin;
  return isOrigin ? origin : 'no origin';
};

/** Limits the input of a socket before its user is known. */
const createUnboundReceiveLimiter = (
  socket: AcceptedSocket['socket'],
  { scheduler, now }: SocketLifecyclePorts['clock'],
  owner: ReceiveLimiterOwner,
): ReceiveLimiter =>
  createReceiveLimiter({
    ...{ socket, scheduler, owner },
    bounds: {
      messageBytesMax: serverLimits.unboundFrameBytesMax,
      otherFramesMax: serverLimits.unboundMessagesMax,
      allowance: createAllowance({
        framesPerSecond: serverLimits.unboundFramesPerSecondMax,
        bytesPerSecond: serverLimits.unboundFrameBytesMax,
        now,
      }),
    },
  });

/** Key under which all connections without a user take their turns. */
const unknownUserKey = {};

/**
 * Wraps an acceptor so that users take turns: it receives a frame in the turn of its user, and the socket is not read
 * while a frame waits. The served socket can end it, too.
 */
export const createFairAcceptor =
  (
    served: ServedSocket,
    turns: RoundRobin,
    acceptor: Acceptor<Uint8Array, Uint8Array>,
  ): Acceptor<Uint8Array, Uint8Array> =>
  (sink) => {
    served.end = (thrown) => sink.error(thrown);
    const receiver = acceptor(sink);
    let [isOver, isHeld] = [false, false];
    let [waiting, key]: [number, object] = [0, unknownUserKey];
    const passOn = (frame: Uint8Array): void => {
      waiting -= 1;
      if (!isOver) receiver.receive(frame);
      if (waiting > 0 || !isHeld) return;
      isHeld = false;
      served.receiveLimiter.release();
    };
    return {
      receive: (frame) => {
        // Frames keep their order: waiting frames have the same key.
        if (waiting === 0) key = served.usage ?? unknownUserKey;
        waiting += 1;
        turns.run(key, () => passOn(frame));
        if (waiting === 0 || isHeld) return;
        isHeld = true;
        served.receiveLimiter.hold();
      },
      close: () => {
        isOver = true;
        receiver.close();
      },
    };
  };

/** Creates served sockets for accepted connections, and logs each one when it begins and ends. */
export const createServedSockets = ({ serverCounters, limiter, clock, limits, log }: SocketLifecyclePorts) => {
  const open = new Set<ServedSocket>();
  let connections = 0;

  const noteClosed = (
    { client: { user, sessions }, bytesIn, bytesOut, text }: ServedSocket,
    code: number,
    call: { readonly connection: number; readonly address: string; readonly ms: number },
  ): void => {
    increment(serverCounters.connectionsClosed, loggedCodes.has(code) ? code : 'other');
    serverCounters.frameBytesIn += bytesIn;
    serverCounters.frameBytesOut += bytesOut;
    log({ level: 'info', event: 'closed', ...call, ...{ user, sessions, code, text, bytesIn, bytesOut } });
  };

  const serve = ({ socket, address, origin, onBytes }: SocketInfo): ServedSocket => {
    const connection = (connections += 1);
    const since = clock.now();
    const counted = limiter.addConnection(address);
    const exceeded = (code: number, text: string): void => served.end(createCloseError(code, text));
    const receiveLimiter = createUnboundReceiveLimiter(socket, clock, { exceeded });
    const admitted: ClientInfo['admitted'] = ({ allowance }) => {
      served.usage = allowance;
      counted.admitted();
      receiveLimiter.setBounds({ messageBytesMax: limits.frameBytesMax, otherFramesMax: Infinity, allowance });
    };
    const served: ServedSocket = {
      ...{
        socket,
        receiveLimiter,
        bytesIn: 0,
        bytesOut: 0,
        lastReceivedAt: clock.scheduler.now(),
        text: '',
        usage: null,
      },
      client: { user: null, sessions: 0, admitted },
      end: () => undefined,
    };
    open.add(served);
    log({ level: 'debug', event: 'opened', connection, address, origin: loggableOriginOf(origin) });
    socket.addEventListener('close', ({ code }: { readonly code: number }) => {
      counted.closed();
      receiveLimiter.stop();
      open.delete(served);
      noteClosed(served, code, { connection, address, ms: clock.now() - since });
    });
    onBytes((chunk) => receiveLimiter.feed(chunk));
    return served;
  };

  return { open: open as ReadonlySet<ServedSocket>, serve };
};
