import type { Observer } from 'rxjs';
import type { Clock } from '../../clock.js';
import { limits as bounds } from '../../model/limits.js';
import { serverLimits } from '../server-limits.js';
import type { FrameValueLimit } from '../../protocol/message-wire.js';
import { closeCodes } from '../../protocol/messages.js';
import {
  createReceiveLimiter,
  type ReceiveLimiter,
  type ReceiveLimiterOwner,
} from '../../transport/receive-limiter.js';
import { serveSocket, type ServeSocketOptions, type SocketServer } from '../../transport/serve-socket.js';
import type { AcceptedSocket, SocketBytes } from '../../transport/websocket-listener.js';
import { createCloseError, type Acceptor, type Receiver } from '../../transport/wire.js';
import { createAllowance } from './traffic-allowance.js';
import type { ClientInfo, SocketReport } from './server-connection.js';
import type { ConnectionLimiter, CountedConnection } from './connection-limiter.js';
import type { ConnectionUsage } from './user-limits.js';
import type { ServerLimits } from '../server-options.js';
import { increment, type ServerCounters } from '../http/counters.js';
import { createFailedEvent, type ServerLog } from '../http/server-events.js';
import type { RoundRobin } from '../uploads/round-robin.js';

export interface SocketLifecyclePorts {
  readonly serverCounters: ServerCounters;
  readonly limiter: Pick<ConnectionLimiter, 'addConnection'>;
  readonly clock: Pick<Clock, 'now' | 'scheduler'>;
  readonly limits: Pick<ServerLimits, 'frameBytesMax' | 'socketBacklogBytesMax'>;
  readonly log: ServerLog;
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

/** Ports and lists that the served sockets of a server share. */
interface ServingContext extends SocketLifecyclePorts {
  readonly turns: RoundRobin;
  readonly open: Set<ServedSocket>;
}

/**
 * A socket that is served, and the facts about it that are logged when it has closed. It keeps nothing else of the
 * upgrade request, because its headers need more memory than all the rest. A class, because a server has ten thousand.
 */
export class ServedSocket implements ClientInfo, ReceiveLimiterOwner, ServeSocketOptions, FrameValueLimit {
  user: string | null = null;
  sessions = 0;
  /** The server's reason for ending the connection, for the log; empty if the server did not end it. */
  text = '';
  /** Time of the last received frame. */
  lastReceivedAt: number;
  readonly receiveLimiter: ReceiveLimiter;
  /** Identity of the user, shared by all connections of the user. */
  private userKey: object = unknownUserKey;
  private server: SocketServer | null = null;
  private sink: Observer<Uint8Array> | null = null;
  private messagesIn = 0;
  private messagesOut = 0;
  private bytesIn = 0;
  private bytesOut = 0;
  private readonly since: number;
  private readonly counted: CountedConnection;
  private readonly address: string;
  private readonly bytes: SocketBytes;

  constructor(
    private readonly context: ServingContext,
    private readonly connection: number,
    { socket, address, bytes }: AcceptedSocket,
  ) {
    const { clock, limiter } = context;
    this.address = address;
    this.bytes = bytes;
    this.since = clock.now();
    this.lastReceivedAt = clock.scheduler.now();
    this.counted = limiter.addConnection(address);
    this.receiveLimiter = createUnboundReceiveLimiter(socket, clock, this);
  }

  get backlogBytesMax(): number {
    return this.context.limits.socketBacklogBytesMax;
  }

  get frameValuesMax(): number {
    return this.user === null ? serverLimits.unboundFrameValuesMax : bounds.frameValuesMax;
  }

  /** Serves the socket with an acceptor. */
  serve(socket: AcceptedSocket['socket'], acceptor: Acceptor<Uint8Array, Uint8Array>): void {
    socket.on?.('close', (code: number) => this.noteClosed(code));
    this.bytes.onBytes((chunk) => this.receiveLimiter.feed(chunk));
    const { turns } = this.context;
    this.server = serveSocket(socket, (sink) => new FairReceiver(this, turns, acceptor((this.sink = sink))), this);
  }

  /** Ends the connection from the server. */
  end(thrown: unknown): void {
    this.sink?.error(thrown);
  }

  /** Closes the socket. */
  stop(): void {
    this.server?.stop();
  }

  admitted({ allowance }: ConnectionUsage): void {
    this.userKey = allowance;
    this.counted.admitted();
    const messageBytesMax = this.context.limits.frameBytesMax;
    this.receiveLimiter.setBounds({ messageBytesMax, otherFramesMax: Infinity, allowance });
  }

  exceeded(code: number, text: string): void {
    this.end(createCloseError(code, text));
  }

  sendFrame(frame: Uint8Array): void {
    this.bytes.sendFrame(frame);
  }

  onFrame(way: 'in' | 'out', bytes: number): void {
    if (way === 'out') {
      this.messagesOut += 1;
      this.bytesOut += bytes;
      return;
    }
    this.messagesIn += 1;
    this.bytesIn += bytes;
    this.lastReceivedAt = this.context.clock.scheduler.now();
  }

  report(): SocketReport {
    const { connection, address, since, messagesIn, messagesOut, bytesIn, bytesOut } = this;
    return { connection, address, since, messagesIn, messagesOut, bytesIn, bytesOut };
  }

  onEnd(text: string): void {
    this.text = loggableTextOf(text);
  }

  onFailure(thrown: unknown): void {
    this.context.log(createFailedEvent(null, thrown));
  }

  /** The key under which frames of this socket take their turns. */
  get turnKey(): object {
    return this.userKey;
  }

  private noteClosed(code: number): void {
    const { context, connection, address, user, sessions, text, bytesIn, bytesOut } = this;
    const { serverCounters, clock, log, open } = context;
    this.counted.closed();
    this.receiveLimiter.stop();
    open.delete(this);
    increment(serverCounters.connectionsClosed, loggedCodes.has(code) ? code : 'other');
    serverCounters.frameBytesIn += bytesIn;
    serverCounters.frameBytesOut += bytesOut;
    const ms = clock.now() - this.since;
    log({
      level: 'info',
      event: 'closed',
      ...{ connection, address, ms, user, sessions, code, text, bytesIn, bytesOut },
    });
  }
}

/**
 * Receives each frame in the turn of its user, so that users take turns. The socket is not read while a frame waits.
 */
class FairReceiver implements Receiver<Uint8Array> {
  private isOver = false;
  private isHeld = false;
  private waiting = 0;
  private key: object = unknownUserKey;

  constructor(
    private readonly served: ServedSocket,
    private readonly turns: RoundRobin,
    private readonly receiver: Receiver<Uint8Array>,
  ) {}

  receive(frame: Uint8Array): void {
    // Frames keep their order: waiting frames have the same key.
    if (this.waiting === 0) this.key = this.served.turnKey;
    this.waiting += 1;
    this.turns.run(this.key, () => this.passOn(frame));
    if (this.waiting === 0 || this.isHeld) return;
    this.isHeld = true;
    this.served.receiveLimiter.hold();
  }

  close(): void {
    this.isOver = true;
    this.receiver.close();
  }

  private passOn(frame: Uint8Array): void {
    this.waiting -= 1;
    if (!this.isOver) this.receiver.receive(frame);
    if (this.waiting > 0 || !this.isHeld) return;
    this.isHeld = false;
    this.served.receiveLimiter.release();
  }
}

/** Creates served sockets for accepted connections, and logs each one when it begins and ends. */
export const createServedSockets = (ports: SocketLifecyclePorts, turns: RoundRobin) => {
  const open = new Set<ServedSocket>();
  const context: ServingContext = { ...ports, turns, open };
  let connections = 0;

  const add = (accepted: AcceptedSocket): ServedSocket => {
    const connection = (connections += 1);
    const served = new ServedSocket(context, connection, accepted);
    open.add(served);
    const { address, headers } = accepted;
    ports.log({ level: 'debug', event: 'opened', connection, address, origin: loggableOriginOf(headers.origin) });
    return served;
  };

  return { open: open as ReadonlySet<ServedSocket>, add };
};
