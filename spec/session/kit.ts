import { defer, filter, from, map, merge, mergeMap, NEVER, type Observable, Subject, takeWhile, tap } from 'rxjs';
import { SessionClosedError } from '../../lib/model/errors.js';
import type { Bound, ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import type { Clock } from '../../lib/clock.js';
import { createConnection, type Connection } from '../../lib/session/connection.js';
import type { Machine } from '../../lib/session/machine.js';
import { checkedTimeouts, type SyncTimeouts } from '../../lib/session/options.js';
import type { ClientReset } from '../../lib/session/reset.js';
import { type TestRealm, testRealm } from './testrealm.js';
import { createSession } from '../../lib/session/session.js';
import { asSyncSession, type SyncSession } from '../../lib/session/syncsession.js';
import type { AccessToken } from '../../lib/session/token-question.js';
import { createTokens, type Tokens } from '../../lib/session/tokens.js';
import type { MarbleHelpers } from '../../lib/testing/marbles.js';
import { type Dial, LineError, type Wire } from '../../lib/transport/wire.js';
import { boundRest } from '../protocol/bound-rest.js';

/*
 * Everything a session meets, scripted, so that a spec draws only what it is about. The letters of all session specs:
 * d: disconnected, c: connecting, C: connected; a: active, p: paused, i: inactive, y: dying, t: waitingForAccessToken.
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

/** The letters of a stream of states, for a diagram. */
export const drawn = (state$: Observable<string>): Observable<string> =>
  state$.pipe(map((state) => letters[state] ?? '?'));

// ------------------------------------------------------------------------------------------------ the server

export interface Manners {
  /** What the server has of this realm, as a `bound` says it. */
  readonly bound?: Partial<Bound>;
  /** Kinds of messages that it hears and does not answer. */
  readonly ignoring?: readonly ClientMessage['type'][];
  /** Other answers than the usual ones; `undefined`: the usual one. */
  readonly answers?: (message: ClientMessage) => Observable<ServerMessage> | undefined;
  /** Notes what it heard. */
  readonly heard?: ClientMessage[];
}

const usual = (message: ClientMessage, bound: Partial<Bound>): readonly ServerMessage[] => {
  switch (message.type) {
    case 'bind':
      return [
        {
          type: 'bound',
          session: message.session,
          history: 'h',
          head: message.seen,
          headBytes: 0,
          accepted: message.acknowledged,
          serverTime: 0,
          frameBytesMax: 1e6,
          ...boundRest,
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
      return [];
  }
};

/** A server with good manners: answers everything at once. */
export const answering =
  ({ bound = {}, ignoring = [], answers, heard }: Manners = {}): TestWire =>
  (said) =>
    said.pipe(
      tap((message) => heard?.push(message)),
      filter(({ type }) => !ignoring.includes(type)),
      mergeMap((message) => answers?.(message) ?? from(usual(message, bound))),
    );

/** A wire that ends as the diagram says: `o` closed without a word, `x` broken (close code 1006 unless another is given). */
export const living =
  (m: MarbleHelpers, life: string, wire: TestWire = answering(), code = 1006): TestWire =>
  (said) =>
    merge(
      wire(said),
      m.cold(life).pipe(
        map((letter) => {
          if (letter === 'x') throw new LineError({ kind: 'closed', code, text: '' });
          return 'over' as const;
        }),
      ),
    ).pipe(takeWhile((heard) => heard !== 'over'));

/** Calls that are answered as their diagrams say, one after the other: `w` opens a wire, `#` cannot be reached. */
export const phone = (m: MarbleHelpers, ...calls: readonly (string | readonly [diagram: string, wire: TestWire])[]) => {
  const unreachable = new LineError({ kind: 'unreachable', detail: 'nobody there' });
  const lines = calls.map((call) => {
    const [diagram, wire] = typeof call === 'string' ? [call, answering()] : call;
    return m.cold(diagram, { w: wire }, unreachable);
  });
  let next = 0;
  const dial: Dial<ClientMessage, ServerMessage> = defer(() => lines[next++] ?? NEVER);
  return { dial, lines };
};

// ------------------------------------------------------------------------------------------------ the session

export interface Scene {
  readonly dial: Dial<ClientMessage, ServerMessage>;
  readonly timeouts?: Partial<SyncTimeouts>;
  readonly accessToken?: AccessToken;
  readonly clientReset?: ClientReset;
  readonly realm?: TestRealm;
  readonly start?: 'active' | 'inactive' | 'paused';
  /** Notes the codes of troubles with tokens. */
  readonly told?: string[];
  /** The clock, in the place of the diagram's. */
  readonly clock?: Clock;
  /** Draws lots; 0 unless given, so that no wait is shortened. */
  readonly random?: () => number;
}

export interface Client {
  readonly connection: Connection;
  readonly tokens: Tokens;
  readonly nudge: () => void;
  /** Whether anybody listens for triggers. */
  readonly listened: () => boolean;
  readonly open: (realm?: TestRealm, start?: Scene['start']) => Opened;
}

export interface Opened {
  readonly session: SyncSession;
  readonly machine: Machine;
  readonly realm: TestRealm;
}

/** One client with one line, on which sessions are opened. Its pings are far away unless a spec is about them. */
export const testClient = (
  m: MarbleHelpers,
  { dial, timeouts, accessToken, random, clientReset, told, clock: own }: Scene,
): Client => {
  const clock = own ?? (random ? { ...m.clock, random } : m.clock);
  const nudge = new Subject<void>();
  const patience = checkedTimeouts({ ping: 10_000_000, read: 2_000_000_000, ...timeouts });
  const tokens = createTokens(accessToken ?? null, {
    ...{ timeouts: patience, clock, nudge$: nudge },
    troubled: ({ code }) => told?.push(code),
  });
  const connection = createConnection({
    dial,
    timeouts: patience,
    clock,
    token$: tokens.fresh$,
    tokens,
    nudge$: nudge,
    closed$: NEVER,
  });
  return {
    connection,
    tokens,
    nudge: () => nudge.next(),
    listened: () => nudge.observed,
    open: (realm = testRealm(), start = 'active') => {
      const machine = createSession({
        realm,
        realmName: 'r',
        connection,
        tokens,
        nudge$: nudge,
        clientReset: clientReset ?? 'recoverOrDiscard',
        timeouts: patience,
        clock,
        start,
        outbox: realm.present(),
        here: { version: 0, bytes: 0, ofBytes: null },
      });
      return { machine, realm, session: asSyncSession(machine, () => nudge.next()) };
    },
  };
};

/** A session on a client of its own. */
export const testSession = (m: MarbleHelpers, scene: Scene): Opened & Client => {
  const client = testClient(m, scene);
  return { ...client, ...client.open(scene.realm, scene.start) };
};

/** Does what the letters of a diagram stand for, each at its moment. */
export const at = (m: MarbleHelpers, diagram: string, acts: Readonly<Record<string, () => void>>): void => {
  m.cold(diagram).subscribe((letter) => acts[letter]?.());
};

/** The last handle of a realm is closed. */
export const close = ({ machine }: Opened, immediately = false): void =>
  machine.dispatch({ type: 'closed', immediately, by: new SessionClosedError('closed') });

export const logOut = ({ machine }: Opened): void =>
  machine.dispatch({ type: 'loggedOut', by: new SessionClosedError('logged out') });
