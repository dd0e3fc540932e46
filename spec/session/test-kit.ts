import { defer, filter, from, map, merge, mergeMap, NEVER, type Observable, Subject, takeWhile, tap } from 'rxjs';
import { SessionClosedError } from '../../lib/model/errors.js';
import type { Bound, ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import type { Clock } from '../../lib/clock.js';
import { Disconnect } from '../../lib/session/connection/disconnect.js';
import { createConnection, type ClientConnection } from '../../lib/session/connection/connection.js';
import type { SessionStore } from '../../lib/session/state/session-store.js';
import { checkTimeouts, type SyncTimeouts } from '../../lib/session/connection/timeouts.js';
import type { ClientReset } from '../../lib/session/binding/client-reset.js';
import { type TestRealm, createTestRealm } from './test-realm.js';
import { createSession } from '../../lib/session/binding/session.js';
import { toSyncSession, type SyncSession } from '../../lib/session/api/sync-session.js';
import type { TokenSource } from '../../lib/session/binding/token-request.js';
import { createTokens, type Tokens } from '../../lib/session/binding/tokens.js';
import type { MarbleHelpers } from '../../lib/testing/marbles.js';
import { type Dial, ConnectionError, type Wire } from '../../lib/transport/wire.js';
import { boundFields } from '../protocol/bound-fields.js';

/*
 * Scripts everything that a session communicates with, so that a spec draws only its subject.
 *
 * The letters of all session specs: d: disconnected, c: connecting, C: connected; a: active, p: paused, i: inactive, y:
 * dying, t: waitingForAccessToken.
 */
export type TestWire = Wire<ClientMessage, ServerMessage>;

const letters: Readonly<Record<string, string>> = {
  disconnected: 'd',
  connecting: 'c',
  connected: 'C',
  active: 'a',
  paused: 'p',
  inactive: 'i',
  dying: 'y',
  waitingForAccessToken: 't',
};

/** Returns the letters of a stream of states, for a diagram. */
export const lettersOf = (state$: Observable<string>): Observable<string> =>
  state$.pipe(map((state) => letters[state] ?? '?'));

// ------------------------------------------------------------------------------------------------ the server

export interface ServerBehaviour {
  /** The data of this realm on the server, for `bound`. */
  readonly bound?: Partial<Bound>;
  /** Types of messages that the server does not answer. */
  readonly ignored?: readonly ClientMessage['type'][];
  /** Replaces the usual answer to a message. `undefined`: the usual one. */
  readonly answers?: (message: ClientMessage) => Observable<ServerMessage> | undefined;
  /** Records the received messages. */
  readonly received?: ClientMessage[];
}

const usualAnswersOf = (message: ClientMessage, bound: Partial<Bound>): readonly ServerMessage[] => {
  switch (message.type) {
    case 'bind':
      return [
        {
          type: 'bound',
          session: message.session,
          history: 'h',
          head: message.downloadedTo,
          headBytes: 0,
          accepted: message.acknowledged,
          serverTime: 0,
          frameBytesMax: 1e6,
          ...boundFields,
          snapshot: null,
          ...bound,
        },
      ];
    case 'upload':
      return [{ type: 'accepted', session: message.session, version: message.changesets.at(-1)?.version ?? 0 }];
    case 'mark':
      return [{ type: 'mark', session: message.session, request: message.request, version: 0 }];
    case 'ping':
      return [{ type: 'pong', sentAt: message.sentAt }];
    case 'unbind':
      return [{ type: 'unbound', session: message.session }];
    case 'received':
    case 'token':
    case 'fault':
    case 'fetch':
    case 'withdraw':
    case 'subscribe':
    case 'next':
      return [];
  }
};

/** Creates a server that answers every message at once. */
export const createAnsweringServer =
  ({ bound = {}, ignored = [], answers, received }: ServerBehaviour = {}): TestWire =>
  (sent$) =>
    sent$.pipe(
      tap((message) => received?.push(message)),
      filter(({ type }) => !ignored.includes(type)),
      mergeMap((message) => answers?.(message) ?? from(usualAnswersOf(message, bound))),
    );

/**
 * Creates a wire that ends at the moment of the diagram: `o` closed without a reason, `x` broken (close code 1006
 * unless another is given).
 */
export const createEndingWire =
  (m: MarbleHelpers, life: string, wire: TestWire = createAnsweringServer(), code = 1006): TestWire =>
  (sent$) =>
    merge(
      wire(sent$),
      m.cold(life).pipe(
        map((letter) => {
          if (letter === 'x') throw new ConnectionError({ kind: 'closed', code, text: '' });
          return 'over' as const;
        }),
      ),
    ).pipe(takeWhile((received) => received !== 'over'));

/** Creates a dial with one diagram for each connection attempt: `w` opens a wire, `#` cannot be reached. */
export const createScriptedDial = (
  m: MarbleHelpers,
  ...attempts: readonly (string | readonly [diagram: string, wire: TestWire])[]
) => {
  const unreachable = new ConnectionError({ kind: 'unreachable', detail: 'no server there' });
  const dials = attempts.map((call) => {
    const [diagram, wire] = typeof call === 'string' ? [call, createAnsweringServer()] : call;
    return m.cold(diagram, { w: wire }, unreachable);
  });
  let next = 0;
  const dial: Dial<ClientMessage, ServerMessage> = defer(() => dials[next++] ?? NEVER);
  return { dial, lines: dials };
};

// ------------------------------------------------------------------------------------------------ the session

/** Disconnects after which a client reconnects. */
export const unreachable = new Disconnect({ kind: 'unreachable', detail: '' });
export const unexpectedClose = new Disconnect({ kind: 'closed-by-server', code: 1006, text: '' });

export interface Scene {
  readonly dial: Dial<ClientMessage, ServerMessage>;
  readonly timeouts?: Partial<SyncTimeouts>;
  readonly accessToken?: TokenSource;
  readonly clientReset?: ClientReset;
  readonly realm?: TestRealm;
  readonly start?: 'active' | 'inactive' | 'paused';
  /** Records the codes of errors about tokens. */
  readonly errorCodes?: string[];
  /** The clock, instead of that of the diagram. */
  readonly clock?: Clock;
  /** Random numbers. 0 by default, so that no wait is shortened. */
  readonly random?: () => number;
}

export interface Client {
  readonly connection: ClientConnection;
  readonly tokens: Tokens;
  readonly reconnect: () => void;
  /** Whether the client listens to reconnect triggers. */
  readonly isListening: () => boolean;
  readonly open: (realm?: TestRealm, start?: Scene['start']) => Opened;
}

export interface Opened {
  readonly session: SyncSession;
  readonly machine: SessionStore;
  readonly realm: TestRealm;
}

/** Creates a client with one connection for its sessions. Pings are far away unless a spec is about them. */
export const createTestClient = (
  m: MarbleHelpers,
  { dial, timeouts, accessToken, random, clientReset, errorCodes, clock: own }: Scene,
): Client => {
  const clock = own ?? (random ? { ...m.clock, random } : m.clock);
  const trigger = new Subject<void>();
  const patience = checkTimeouts({ ping: 10_000_000, read: 2_000_000_000, ...timeouts });
  const tokens = createTokens(accessToken ?? null, {
    ...{ timeouts: patience, clock, reconnect$: trigger },
    onTrouble: ({ code }) => errorCodes?.push(code),
  });
  const connection = createConnection({
    dial,
    timeouts: patience,
    clock,
    token$: tokens.fresh$,
    tokens,
    reconnect$: trigger,
    closed$: NEVER,
    fault$: NEVER,
  });
  return {
    connection,
    tokens,
    reconnect: () => trigger.next(),
    isListening: () => trigger.observed,
    open: (realm = createTestRealm(), start = 'active') => {
      const machine = createSession({
        realm,
        realmName: 'r',
        connection,
        tokens,
        reconnect$: trigger,
        clientReset: clientReset ?? 'recoverOrDiscard',
        timeouts: patience,
        clock,
        start,
        outbox: realm.present(),
        initialDownload: { version: 0, bytes: 0, ofBytes: null },
      });
      return { machine, realm, session: toSyncSession(machine, () => trigger.next()) };
    },
  };
};

/** Creates a session on a client of its own. */
export const createTestSession = (m: MarbleHelpers, scene: Scene): Opened & Client => {
  const client = createTestClient(m, scene);
  return { ...client, ...client.open(scene.realm, scene.start) };
};

/** Performs the action of each letter of a diagram at its moment. */
export const runAt = (m: MarbleHelpers, diagram: string, acts: Readonly<Record<string, () => void>>): void => {
  m.cold(diagram).subscribe((letter) => acts[letter]?.());
};

/** Closes the last handle of a realm. */
export const closeRealm = ({ machine }: Opened, immediately = false): void =>
  machine.dispatch({ type: 'closed', immediately, by: new SessionClosedError('closed') });

export const logOut = ({ machine }: Opened): void =>
  machine.dispatch({ type: 'loggedOut', by: new SessionClosedError('logged out') });
