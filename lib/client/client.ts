import {
  distinctUntilChanged,
  firstValueFrom,
  forkJoin,
  from,
  map,
  merge,
  type Observable,
  type ObservableInput,
  of,
  share,
  Subject,
} from 'rxjs';
import { type Clock, systemClock } from '../clock.js';
import { InvalidArgumentError, SessionClosedError, type SyncError } from '../model/errors.js';
import { checkedOptions, limits } from '../model/limits.js';
import { type ClientMessage, type ServerMessage, subprotocol } from '../protocol/messages.js';
import { clientWire } from '../protocol/wires.js';
import { createConnection } from '../session/connection.js';
import type { Machine } from '../session/machine.js';
import { checkedTimeouts, type SyncTimeouts } from '../session/options.js';
import type { SyncedRealm } from '../session/realm.js';
import { createSession, type SessionPorts } from '../session/session.js';
import { createTokens } from '../session/tokens.js';
import { webSocketDial } from '../transport/dial.js';
import type { Dial } from '../transport/wire.js';
import { platformNudges } from './nudges.js';

/**
 * Where access tokens come from: a function that gives anything RxJS can subscribe to (a value in `of`, a promise, a
 * stream), called when a token is needed and again when that one has expired. The first token that is not the expired one
 * is taken. An error whose `status` is 401 or 403, and `null`, mean that the user is refused; any other error is a failure
 * to ask, and is tried again.
 */
export type AccessToken = () => ObservableInput<string | null>;

export interface SyncClientOptions {
  /** Where the server is: `wss://…`, or `ws://…` on a network you trust. Give this or `dial`. */
  readonly url?: string;
  /** A transport of your own instead of a URL: `of(server.wire)` runs without a socket. */
  readonly dial?: Dial<ClientMessage, ServerMessage>;
  /** Where access tokens come from; without it the server is told of no user. */
  readonly accessToken?: AccessToken;
  /** How long each thing may take, in milliseconds. */
  readonly timeouts?: Partial<SyncTimeouts>;
  /** What else means "try now", besides `reconnect()`; the platform's `online` event unless given. It must not emit on subscription. */
  readonly nudge$?: Observable<unknown>;
  /** Time and chance; virtual in tests. */
  readonly clock?: Clock;
  /** A WebSocket class of your own; `ws` in Node and the platform's elsewhere unless given. */
  readonly WebSocket?: unknown;
}

/** One user on one server: all its realms share one connection. */
export interface SyncClient {
  /** What went wrong in the sessions of this client, each error once. Hot, never errors; completes with `close`. */
  readonly errors$: Observable<SyncError>;
  /** Makes all sessions try now, and starts the backoff over. A line that looks alive is only probed. */
  readonly reconnect: () => void;
  /** Logs a user in: every session that was logged out is active again. */
  readonly logIn: (accessToken?: AccessToken) => void;
  /** Logs the user out: every session is inactive, its waits error. What was not sent waits in the realms. */
  readonly logOut: () => void;
  /** Ends all sessions now. What was not sent waits in the realms for the next time. Resolves when everything is released. */
  readonly close: () => Promise<void>;
}

/** A realm that a client has open, as far as the client cares. */
export interface Member {
  readonly machine: Machine;
  /** Emits once and completes when its storage is closed, which follows the end of its session. Replays; never errors. */
  readonly released$: Observable<unknown>;
}

/** What a client does for the realms that are opened with it. Not for apps. */
export interface ClientCore {
  readonly clock: Clock;
  readonly reconnect: () => void;
  readonly isClosed: () => boolean;
  /** Starts a session. */
  readonly session: (
    realm: SyncedRealm,
    options: Pick<SessionPorts, 'realmName' | 'outbox' | 'seen'> & { readonly paused: boolean },
  ) => Machine;
  /** Takes note of a realm, until it is released. */
  readonly joined: (member: Member) => void;
  /** The realms that are open with it, by their storage: one storage holds one realm. */
  readonly open: Map<unknown, Promise<unknown>>;
  /** The names of realms whose sessions were left paused: only `resume` changes that (S6). */
  readonly paused: Set<string>;
}

const cores = new WeakMap<SyncClient, ClientCore>();

/** The inside of a client that `createSyncClient` has made. */
export const coreOf = (client: unknown): ClientCore => {
  const core = cores.get(client as SyncClient);
  if (core) return core;
  throw new InvalidArgumentError('sync.client', 'a client made by createSyncClient', client);
};

const optionNames = ['url', 'dial', 'accessToken', 'timeouts', 'nudge$', 'clock', 'WebSocket'] as const;

const checkedUrl = (url: unknown): string => {
  const expected = 'a ws: or wss: URL without user, password, query or fragment: tokens never travel in a URL';
  if (typeof url !== 'string' || !URL.canParse(url)) throw new InvalidArgumentError('url', expected, url);
  const { protocol, username, password, search, hash } = new URL(url);
  if (/^wss?:$/.test(protocol) && username + password + search + hash === '') return url;
  throw new InvalidArgumentError(
    'url',
    expected,
    `${protocol}//…${search === '' ? '' : '?…'}${hash === '' ? '' : '#…'}`,
  );
};

const dialOf = ({ url, dial, WebSocket }: SyncClientOptions): Dial<ClientMessage, ServerMessage> => {
  if ((url === undefined) === (dial === undefined)) {
    throw new InvalidArgumentError('url', 'either a url or a dial', url === undefined ? 'neither' : 'both');
  }
  if (dial) return dial;
  const socket = { url: checkedUrl(url), protocols: [subprotocol], frameBytesMax: limits.frameBytesMax };
  return webSocketDial(WebSocket === undefined ? socket : { ...socket, WebSocket: WebSocket as never }).pipe(
    map(clientWire),
  );
};

const asked = (accessToken: AccessToken | undefined): (() => Observable<string | null>) | null =>
  accessToken ? () => from(accessToken()) : null;

/** Makes a client. It connects when the first realm is opened with it. Throws an `InvalidArgumentError` for options that make no sense. */
export const createSyncClient = (options: SyncClientOptions): SyncClient => {
  const {
    accessToken,
    clock = systemClock,
    nudge$ = platformNudges(),
  } = checkedOptions('options', options, optionNames);
  if (accessToken !== undefined && typeof accessToken !== 'function') {
    throw new InvalidArgumentError('accessToken', 'a function', accessToken);
  }
  const timeouts = checkedTimeouts(options.timeouts);
  const nudges = new Subject<void>();
  const anyNudge$ = merge(nudges, nudge$).pipe(
    share({ connector: () => new Subject(), resetOnRefCountZero: true, resetOnComplete: true, resetOnError: true }),
  );
  const connection = createConnection({ dial: dialOf(options), timeouts, clock, nudge$: anyNudge$ });
  const tokens = createTokens(asked(accessToken), timeouts, clock);
  const members = new Set<Member>();
  const errors = new Subject<SyncError>();
  let loggedIn = true;
  let closed = false;

  const everyone = (tell: (machine: Machine) => void): void => [...members].forEach(({ machine }) => tell(machine));

  /** An error of the user's ends the sessions of all its realms (S19). */
  const heard = (error: SyncError): void => {
    errors.next(error);
    if (error.level !== 'client' || !loggedIn) return;
    loggedIn = false;
    everyone((machine) => machine.dispatch({ type: 'fatal', error }));
  };

  const client: SyncClient = {
    errors$: errors.pipe(distinctUntilChanged()), // One error of the connection is told by every session.
    reconnect: () => nudges.next(),
    logIn: (next) => {
      tokens.use(asked(next ?? accessToken));
      loggedIn = true;
      everyone((machine) => machine.dispatch({ type: 'input', input: 'logIn' }));
      nudges.next();
    },
    logOut: () => {
      loggedIn = false;
      tokens.use(null);
      const by = new SessionClosedError('The user logged out.');
      everyone((machine) => machine.dispatch({ type: 'loggedOut', by }));
    },
    close: async () => {
      closed = true;
      const by = new SessionClosedError('The client was closed.');
      const released = [...members].map(({ released$ }) => released$);
      everyone((machine) => machine.dispatch({ type: 'closed', immediately: true, by }));
      await firstValueFrom(released.length > 0 ? forkJoin(released) : of(null));
      errors.complete();
    },
  };
  cores.set(client, {
    clock,
    reconnect: client.reconnect,
    isClosed: () => closed,
    open: new Map(),
    paused: new Set(),
    session: (realm, { paused, ...own }) =>
      createSession({
        ...own,
        realm,
        connection,
        tokens,
        nudge$: anyNudge$,
        timeouts,
        clock,
        start: paused ? 'paused' : loggedIn ? 'active' : 'inactive',
      }),
    joined: (member) => {
      members.add(member);
      member.machine.error$.subscribe(heard);
      member.released$.subscribe(() => members.delete(member));
    },
  });
  return client;
};
