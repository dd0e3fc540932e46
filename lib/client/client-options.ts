import { catchError, EMPTY, from, map, of, type Observable, type ObservableInput } from 'rxjs';
import { type Clock, systemClock } from '../clock.js';
import { describeValue, InvalidArgumentError } from '../model/errors.js';
import { checkOptions, limits } from '../model/limits.js';
import { type ClientMessage, type ServerMessage, subprotocol } from '../protocol/messages.js';
import { clientWire } from '../protocol/message-wire.js';
import { checkTimeouts, type SyncTimeouts } from '../session/connection/timeouts.js';
import { createWebSocketDial } from '../transport/websocket-dial.js';
import type { Dial } from '../transport/wire.js';
import { checkClock, checkEither, checkFunction, checkObservable } from '../model/check-arguments.js';
import { type ClientLog, catchLogErrors } from './log-events.js';
import { watchReconnectTriggers } from './reconnect-triggers.js';

/**
 * Returns an access token, or a promise or stream of tokens. The client calls the function when it needs a token, and
 * again when that token has expired. If the function returns a stream, the client uses the first token that differs
 * from the expired one.
 *
 * `null`, and an error whose `status` is 401 or 403, mean that the user is not accepted: the sessions end with the
 * error `token-refused`. The client retries after any other error.
 *
 * @example
 * ```ts
 * const accessToken: AccessToken = async () => (await fetch('/token')).text();
 * ```
 */
export type AccessToken = () => ObservableInput<string | null> | string | null;

interface ClientOptions {
  /** The address of the server: `wss://…`, or `ws://…` on a trusted network. Either this or `dial` is required. */
  readonly url?: string;
  /** A transport of the app's own instead of a URL: `of(server.wire)` runs without a socket. */
  readonly dial?: Dial<ClientMessage, ServerMessage>;
  /**
   * Returns access tokens.
   *
   * @defaultValue none: the client connects without a user
   */
  readonly accessToken?: AccessToken;
  /**
   * The id of the user, when the app knows it. A storage belongs to one user and is not opened for another one. Without
   * this option the client takes the `sub` claim of its first access token, if that is a JSON Web Token.
   *
   * @defaultValue the `sub` claim of the access token
   */
  readonly user?: string;
  /**
   * Time limits in milliseconds.
   *
   * @defaultValue `defaultTimeouts`
   */
  readonly timeouts?: Partial<SyncTimeouts>;
  /**
   * Reconnect triggers: each value ends a wait, makes the client connect immediately and resets the backoff. A
   * connection that looks alive is only probed. The client ignores the values, except for `'offline'`, which only
   * probes.
   *
   * The client subscribes while at least one session needs the connection. The stream should not emit on subscription.
   * When it completes or errors, only the triggers end.
   *
   * @defaultValue `watchReconnectTriggers()` with the clock of the client
   */
  readonly reconnect$?: Observable<unknown>;
  /**
   * The source of time and chance; virtual in tests.
   *
   * @defaultValue `systemClock`
   */
  readonly clock?: Clock;
  /**
   * Receives one event per outage and one per other error.
   *
   * @defaultValue none: nothing is logged
   */
  readonly log?: ClientLog;
  /**
   * The WebSocket class to use.
   *
   * @defaultValue `ws` in Node, the class of the platform elsewhere
   */
  readonly WebSocket?: unknown;
}

type ServerDial = Dial<ClientMessage, ServerMessage>;

/**
 * Options of `createSyncClient`: either a `url` or a `dial`, and everything else optional.
 *
 * @example
 * ```ts
 * const options: SyncClientOptions = { url: 'wss://sync.example.com', accessToken: () => readToken() };
 * ```
 */
export type SyncClientOptions = ClientOptions &
  ({ readonly url: string; readonly dial?: undefined } | { readonly dial: ServerDial; readonly url?: undefined });

/** Checked options with their defaults. */
export interface CheckedClientOptions {
  readonly dial: Dial<ClientMessage, ServerMessage>;
  readonly accessToken: (() => Observable<string | null>) | null;
  readonly user: string | null;
  readonly timeouts: SyncTimeouts;
  readonly reconnect$: Observable<unknown>;
  readonly clock: Clock;
  readonly log: ClientLog;
}

const optionNames = [
  'url',
  'dial',
  'accessToken',
  'user',
  'timeouts',
  'reconnect$',
  'clock',
  'log',
  'WebSocket',
] as const;

const checkUrl = (url: unknown): string => {
  const expected = 'a ws: or wss: URL without user, password, query or fragment (tokens never travel in a URL)';
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
  checkEither('createSyncClient', ['url', 'dial'], url, dial);
  if (dial !== undefined) return checkObservable('dial', dial, 'Pass a stream of the function: of(server.wire).');
  if (WebSocket !== undefined) checkFunction('WebSocket', WebSocket as object);
  const socket = { url: checkUrl(url), protocols: [subprotocol], frameBytesMax: limits.frameBytesMax };
  return createWebSocketDial(WebSocket === undefined ? socket : { ...socket, WebSocket: WebSocket as never }).pipe(
    map(clientWire),
  );
};

export const checkUserId = (argument: string, given: string | undefined): string | null => {
  if (given === undefined || (typeof given === 'string' && given !== '')) return given ?? null;
  throw new InvalidArgumentError(argument, 'the id of a user, a string that is not empty', given);
};

export const checkAccessToken = (given: AccessToken): AccessToken => checkFunction('accessToken', given);

/** Wraps strings with `of`, because RxJS would read a string as a stream of its characters. */
const streamOf = (answer: ReturnType<AccessToken>): Observable<string | null> => {
  if (typeof answer !== 'object' || answer === null) return of(answer);
  try {
    return from(answer);
  } catch {
    throw new TypeError(`accessToken must give a string, received ${describeValue(answer)}.`);
  }
};

/** Converts the `accessToken` option to the form that sessions use. */
export const tokenSourceOf = (accessToken: AccessToken | undefined): (() => Observable<string | null>) | null =>
  accessToken ? () => streamOf(accessToken()) : null;

/** Keeps an error of the app's stream away from the connection. */
const ignoreErrors = (reconnect$: Observable<unknown>): Observable<unknown> => reconnect$.pipe(catchError(() => EMPTY));

/** Throws an `InvalidArgumentError` for invalid options. */
export const checkClientOptions = (options: SyncClientOptions): CheckedClientOptions => {
  const { accessToken, log, clock = systemClock } = checkOptions('options of createSyncClient', options, optionNames);
  const { reconnect$ = watchReconnectTriggers({ clock: checkClock(clock) }) } = options;
  if (log !== undefined) checkFunction('log', log);
  return {
    dial: dialOf(options),
    accessToken: tokenSourceOf(accessToken === undefined ? undefined : checkAccessToken(accessToken)),
    user: checkUserId('user', options.user),
    timeouts: checkTimeouts(options.timeouts),
    reconnect$: ignoreErrors(checkObservable('reconnect$', reconnect$)),
    clock,
    log: catchLogErrors(log),
  };
};
