import type { Clock } from '../../clock.js';
import { limits as bounds } from '../../model/limits.js';
import { closeCodes } from '../../protocol/messages.js';
import {
  createReceiveLimiter,
  type ReceiveLimiter,
  type ReceiveLimiterOptions,
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

/** What is kept of a call as long as its connection: its headers would be larger than all the rest. */
export interface SocketInfo extends Pick<AcceptedSocket, 'socket' | 'address' | 'onBytes'> {
  readonly origin: string | undefined;
}

/** A socket that is being answered. */
export interface ServedSocket {
  readonly socket: AcceptedSocket['socket'];
  readonly client: ClientInfo;
  readonly receiveLimiter: ReceiveLimiter;
  /** What all connections of its user have in common; `null`: he is not known yet. */
  usage: object | null;
  /** Ends it from here. */
  end: (thrown: unknown) => void;
  /** Why the server has ended it, for the log; empty: it has not. */
  text: string;
  bytesIn: number;
  bytesOut: number;
  /** When something was heard last. */
  lastReceivedAt: number;
}

/** Codes that are counted by themselves: a client may close with any other. */
const loggedCodes: ReadonlySet<number> = new Set([...Object.values(closeCodes), 1005, 1006, 1009, 1011, 1012, 1013]);

/** What the server says when it ends a connection, without what it quotes of what the client has said. */
export const loggableTextOf = (text: string): string => text.split(', received ', 1)[0] ?? '';

/** An origin as a browser says it; everything else may be anything, and is not logged. */
const loggableOriginOf = (origin: string | undefined): string | null => {
  if (origin === undefined) return null;
  const isOrigin = origin.length <= bounds.idCharsMax && URL.canParse(origin) && new URL(origin).origin === origin;
  return isOrigin ? origin : 'no origin';
};

/** What comes in on a socket before its user is known. */
const createUnboundReceiveLimiter = (
  socket: AcceptedSocket['socket'],
  { scheduler, now }: SocketLifecyclePorts['clock'],
  exceeded: ReceiveLimiterOptions['onExceeded'],
): ReceiveLimiter =>
  createReceiveLimiter({
    ...{ socket, scheduler, onExceeded: exceeded },
    bounds: {
      messageBytesMax: bounds.unboundFrameBytesMax,
      otherFramesMax: bounds.unboundMessagesMax,
      spend: createAllowance({
        framesPerSecond: bounds.unboundFramesPerSecondMax,
        bytesPerSecond: bounds.unboundFrameBytesMax,
        now,
      }),
    },
  });

/** Whom all connections without a user take turns as. */
const unknownUserKey = {};

/**
 * The host, whose end is in the hands of its visit, too, and which hears a frame when its user has a turn: the socket
 * is not read while one waits.
 */
export const createFairAcceptor =
  (visit: ServedSocket, turns: RoundRobin, host: Acceptor<Uint8Array, Uint8Array>): Acceptor<Uint8Array, Uint8Array> =>
  (sink) => {
    visit.end = (thrown) => sink.error(thrown);
    const ear = host(sink);
    let [isOver, isHeld] = [false, false];
    let [waiting, key]: [number, object] = [0, unknownUserKey];
    const heard = (frame: Uint8Array): void => {
      waiting -= 1;
      if (!isOver) ear.receive(frame);
      if (waiting > 0 || !isHeld) return;
      isHeld = false;
      visit.receiveLimiter.release();
    };
    return {
      receive: (frame) => {
        // Frames keep their order: what waits already and this one are of the same key.
        if (waiting === 0) key = visit.usage ?? unknownUserKey;
        waiting += 1;
        turns.run(key, () => heard(frame));
        if (waiting === 0 || isHeld) return;
        isHeld = true;
        visit.receiveLimiter.hold();
      },
      close: () => {
        isOver = true;
        ear.close();
      },
    };
  };

/** Makes visits of those who call, and tells of each when it begins and ends. */
export const createServedSockets = ({ serverCounters, limiter, clock, limits, log }: SocketLifecyclePorts) => {
  const open = new Set<ServedSocket>();
  let connections = 0;

  const left = (
    { client: { user, sessions }, bytesIn, bytesOut, text }: ServedSocket,
    code: number,
    call: { readonly connection: number; readonly address: string; readonly ms: number },
  ): void => {
    increment(serverCounters.connectionsClosed, loggedCodes.has(code) ? code : 'other');
    serverCounters.frameBytesIn += bytesIn;
    serverCounters.frameBytesOut += bytesOut;
    log({ level: 'info', event: 'closed', ...call, ...{ user, sessions, code, text, bytesIn, bytesOut } });
  };

  const visited = ({ socket, address, origin, onBytes }: SocketInfo): ServedSocket => {
    const connection = (connections += 1);
    const since = clock.now();
    const entry = limiter.addConnection(address);
    const inflow = createUnboundReceiveLimiter(socket, clock, (code, text) => visit.end(createCloseError(code, text)));
    const admitted: ClientInfo['admitted'] = ({ spend }) => {
      visit.usage = spend;
      entry.admitted();
      inflow.setBounds({ messageBytesMax: limits.frameBytesMax, otherFramesMax: Infinity, spend });
    };
    const visit: ServedSocket = {
      ...{
        socket,
        receiveLimiter: inflow,
        bytesIn: 0,
        bytesOut: 0,
        lastReceivedAt: clock.scheduler.now(),
        text: '',
        usage: null,
      },
      client: { user: null, sessions: 0, admitted },
      end: () => undefined,
    };
    open.add(visit);
    log({ level: 'debug', event: 'opened', connection, address, origin: loggableOriginOf(origin) });
    socket.addEventListener('close', ({ code }: { readonly code: number }) => {
      entry.closed();
      inflow.stop();
      open.delete(visit);
      left(visit, code, { connection, address, ms: clock.now() - since });
    });
    onBytes(inflow.feed);
    return visit;
  };

  return { open: open as ReadonlySet<ServedSocket>, visited };
};
