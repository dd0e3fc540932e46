import { map, queueScheduler, Subscription, type Observer } from 'rxjs';
import { closeCodes, type ClientMessage, type ServerMessage } from '../protocol/messages.js';
import { hangUp, type Ear } from '../transport/wire.js';
import { anyone, type Authenticate, type User } from './access.js';
import { AccessRefusedError } from './failure.js';
import { createIdentity } from './identity.js';
import { createLanes, wireError } from './lanes.js';
import { createProbation, type Waiting } from './probation.js';
import { createRate } from './rate.js';
import type { SessionPorts } from './session.js';
import { tallied, type Tally } from './tally.js';
import type { Usage } from './users.js';

export interface ConnectionPorts extends SessionPorts {
  readonly authenticate: Authenticate;
  readonly tally: Tally;
  /** Told of the code with which a token was refused. */
  readonly tokenRefused: (code: string) => void;
  /** What connections without a user have waiting. */
  readonly waiting: Waiting;
}

/** What comes to be known of a connection, for who logs it. */
export interface Guest {
  /** The id of its user, once a token of his was good. */
  user: string | null;
  /** How many sessions it has bound. */
  sessions: number;
  /** Called once, when its user is known and may have one more connection. */
  readonly admitted?: (usage: Usage) => void;
}

export interface ConnectionOptions {
  readonly guest: Guest;
  readonly mouth: Observer<ServerMessage>;
  /** Called once, when everything that it held is let go of. */
  readonly gone: () => void;
}

/** The server's end of one line. */
export interface Connection extends Ear<ClientMessage> {
  /** The server goes away: its client is told when to come back. Each another moment, so that they do not come all at once. */
  readonly restart: () => void;
}

/** What is said on one line, down to its end. */
interface Speech {
  readonly isOver: () => boolean;
  readonly say: (message: ServerMessage) => void;
  /** Nothing more is said. */
  readonly end: () => void;
  /** The last message, and the end of the line. */
  readonly goodbye: (message: ServerMessage, code: number, text: string) => void;
  /** The end of the line, with what it fails of. */
  readonly failed: (thrown: unknown) => void;
}

interface SpeechOptions {
  readonly mouth: Observer<ServerMessage>;
  /** Told of each message before it is said. */
  readonly told: (message: ServerMessage) => void;
  /** Told of the code with which a token was refused. */
  readonly tokenRefused: (code: string) => void;
  /** Lets go of the sessions; then of everything. */
  readonly leaveSessions: () => void;
  readonly leave: () => void;
}

const createSpeech = ({ mouth, told, tokenRefused, leaveSessions, leave }: SpeechOptions): Speech => {
  let isOver = false;

  const say = (message: ServerMessage): void => {
    if (isOver) return;
    told(message);
    try {
      mouth.next(message);
    } catch (thrown) {
      failed(thrown); // What cannot be said must not be thrown at whoever had it said.
    }
  };
  const hungUp = (thrown: unknown): void => {
    if (isOver) return;
    leave();
    mouth.error(thrown);
  };
  const goodbye: Speech['goodbye'] = (message, code, text) => {
    say(message);
    hungUp(hangUp(code, text));
  };
  const failed = (thrown: unknown): void => {
    if (isOver || !(thrown instanceof AccessRefusedError)) {
      hungUp(thrown);
      return;
    }
    leaveSessions();
    if (thrown.code !== 'token-expired') tokenRefused(thrown.code);
    goodbye(wireError(null, thrown.code, thrown.message, thrown.retry), closeCodes.normal, thrown.code);
  };
  return { isOver: () => isOver, say, end: () => void (isOver = true), goodbye, failed };
};

const restartText = 'the server is going away';

/** Has a client come back, each at another moment. */
const restarting = ({ limits, clock }: ConnectionPorts): ServerMessage => {
  const after = limits.restartMs + Math.floor(clock.random() * limits.restartSpreadMs);
  return wireError(null, 'restarting', restartText, { after });
};

/** How a connection becomes one of a user's. */
interface Entrance {
  /** Whether a message is dealt with now; else it waits until the user is known. Throws a `LineError` when that is too much. */
  readonly take: (message: ClientMessage) => boolean;
  /** A token of this user was good. Throws a `SessionFailure` when he has too many connections. */
  readonly admitted: (user: User) => Usage;
  readonly leave: () => void;
}

const createEntrance = (
  { authenticate, users, waiting }: ConnectionPorts,
  guest: Guest,
  hear: (message: ClientMessage) => void,
): Entrance => {
  const probation = createProbation(waiting);
  let usage: Usage | null = null;
  return {
    take: (message) => usage !== null || probation.take(message),
    admitted: ({ id }) => {
      if (usage !== null) return usage;
      const entered = users.enter(authenticate === anyone ? null : id);
      usage = entered;
      guest.user = id;
      guest.admitted?.(entered);
      for (const message of probation.end()) hear(message);
      return entered;
    },
    leave: () => {
      usage?.leave();
      probation.leave();
    },
  };
};

/** Whether a user who may read a realm waits for somebody who makes it: its connection is as good as one that has bound. */
const isAwaitingRealm = (message: ServerMessage): boolean =>
  message.type === 'error' && message.code === 'no-such-realm' && message.retry === 'later';

/**
 * One connection of a server. Routes what is said to its sessions by their number. A session that fails ends alone, with an
 * `error`; a client that breaks the protocol, is refused, binds nothing in time or too much at once, or whose token ends, is hung
 * up on: the mouth errors with a `LineError`. Never completes by itself. Everything it made goes with it.
 *
 * A plain machine, and an edge, as its sessions are (docs/DECISIONS.md, D36): questions about tokens run until it ends.
 */
export const createConnection = (ports: ConnectionPorts, { guest, mouth, gone }: ConnectionOptions): Connection => {
  const { authenticate, clock, limits, tell } = ports;
  const counts = tallied(ports.tally);
  const mayBind = createRate(limits.bindsPerSecondMax, clock.now);
  const held = new Subscription();
  const entrance = createEntrance(ports, guest, (message) => hearNext(message));
  const leave = (): void => {
    if (isOver()) return;
    end();
    entrance.leave();
    unbound.unsubscribe();
    identity.leave();
    lanes.leave();
    held.unsubscribe();
    counts.ended();
    gone();
  };
  const told = (message: ServerMessage): void => {
    counts.said(message);
    if (message.type === 'bound') guest.sessions += 1;
    else if (!isAwaitingRealm(message)) return;
    unbound.unsubscribe();
  };
  const speech = createSpeech({
    mouth,
    told,
    tokenRefused: ports.tokenRefused,
    leaveSessions: () => lanes.leave(),
    leave,
  });
  const { isOver, say, end, goodbye, failed } = speech;
  const identity = createIdentity({ authenticate, clock, expired: failed });
  const lanes = createLanes(ports, speech);
  const known = map((user: User) => ({ user, usage: entrance.admitted(user) }));
  const tooLate = (): void => failed(hangUp(closeCodes.notBound, `nothing was bound within ${limits.bindMsMax} ms`));
  const unbound = clock.scheduler.schedule(tooLate, limits.bindMsMax);

  const renewed = (thrown: unknown): void => {
    if (thrown instanceof AccessRefusedError) failed(thrown);
    else tell({ level: 'error', event: 'failed', realm: null, error: thrown }); // Nobody has said no: the next bind asks again.
  };
  const heard = (message: ClientMessage): void => {
    counts.heard(message);
    if (message.type === 'ping') say({ type: 'pong', sentAt: message.sentAt });
    else if (message.type === 'token') held.add(identity.renew(message.token).subscribe({ error: renewed }));
    else if (message.type !== 'bind') lanes.route(message);
    else if (mayBind()) lanes.begin(message, identity.user(message.token).pipe(known));
    else throw hangUp(closeCodes.tooMuch, `more than ${limits.bindsPerSecondMax} binds a second`);
  };
  const hear = (message: ClientMessage): void => {
    if (isOver()) return;
    try {
      if (entrance.take(message)) heard(message);
    } catch (thrown) {
      failed(thrown);
    }
  };
  const restart = (): void => goodbye(restarting(ports), closeCodes.restarting, restartText);

  // One message after the other, also when an answer is answered on the spot.
  const hearNext = (message: ClientMessage): void => void queueScheduler.schedule(() => hear(message));
  return { hear: hearNext, leave, restart };
};
