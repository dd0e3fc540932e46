import { catchError, EMPTY, from, map, of, type Observable, type ObservableInput } from 'rxjs';
import { type Clock, systemClock } from '../clock.js';
import { InvalidArgumentError } from '../model/errors.js';
import { checkOptions, limits } from '../model/limits.js';
import { type ClientMessage, type ServerMessage, subprotocol } from '../protocol/messages.js';
import { clientWire } from '../protocol/message-wire.js';
import { checkTimeouts, type SyncTimeouts } from '../session/connection/timeouts.js';
import { createWebSocketDial } from '../transport/websocket-dial.js';
import type { Dial } from '../transport/wire.js';
import { checkClock, checkFunction, checkObservable } from './check-arguments.js';
import { type ClientLog, catchLogErrors } from './log-events.js';
import { watchReconnectTriggers } from './reconnect-triggers.js';

/**
 * Where access tokens come from: a function that gives a token, or anything RxJS can subscribe to (a promise, a
 * stream), called when a token is needed and again when that one has expired. The first token that is not the expired
 * one is taken. An error whose `status` is 401 or 403, and `null`, mean that the user is refused; any other error is a
 * failure to ask, and is tried again.
 */
export type AccessToken = () => ObservableInput<string | null> | string | null;

interface ClientOptions {
  /** Where the server is: `wss://…`, or `ws://…` on a network you trust. Give this or `dial`. */
  readonly url?: string;
  /** A transport of your own instead of a URL: `of(server.wire)` runs without a socket. */
  readonly dial?: Dial<ClientMessage, ServerMessage>;
  /** Where access tokens come from; without it the server is told of no user. */
  readonly accessToken?: AccessToken;
  /**
   * The id of the user, when the app knows it: a copy of a realm on this device belongs to one user, and is not opened
   * for another one. Without it the `sub` of an access token that is a JSON Web Token says so, as soon as there is one.
   */
  readonly user?: string;
  /** How long each thing may take, in milliseconds. */
  readonly timeouts?: Partial<SyncTimeouts>;
  /**
   * What else means "try now", besides `reconnect()`: each emission ends a wait and starts the backoff over; a line
   * that looks alive is only probed. `watchReconnectTriggers()` with the client's clock unless given; the values do not
   * matter. It is subscribed to once while any session wants the line, and again when one does again. It is an event,
   * not a state: it should not emit on subscription. If it completes or errors, it has nothing more to say, and nothing
   * else ends.
   */
  readonly reconnect$?: Observable<unknown>;
  /** Time and chance; virtual in tests. */
  readonly clock?: Clock;
  /** Where to log: one event for an outage and each error that is not one. Silent unless given. */
  readonly log?: ClientLog;
  /** A WebSocket class of your own; `ws` in Node and the platform's elsewhere unless given. */
  readonly WebSocket?: unknown;
}

type ServerDial = Dial<ClientMessage, ServerMessage>;

/** A client has one server: a `url` or a `dial`, and not both. */
export type SyncClientOptions = ClientOptions &
  ({ readonly url: string; readonly dial?: undefined } | { readonly dial: ServerDial; readonly url?: undefined });

/** Options with nothing left open. */
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
  if (dial !== undefined) return checkObservable('dial', dial);
  if (WebSocket !== undefined) checkFunction('WebSocket', WebSocket as object);
  const socket = { url: checkUrl(url), protocols: [subprotocol], frameBytesMax: limits.frameBytesMax };
  return createWebSocketDial(WebSocket === undefined ? socket : { ...socket, WebSocket: WebSocket as never }).pipe(
    map(clientWire),
  );
};

export const checkUserId = (argument: string, given: string | undefined): string | null => {
  if (given === undefined || (typeof given === 'string' && given !== '')) return given ?? null;
  throw new InvalidArgumentError(argument, 'the id of a user, a text that is not empty', given);
};

export const checkAccessToken = (given: AccessToken): AccessToken => checkFunction('accessToken', given);

/** RxJS would take a text for a stream of its characters. */
const streamOf = (answer: ReturnType<AccessToken>): Observable<string | null> =>
  typeof answer === 'object' && answer !== null ? from(answer) : of(answer);

/** A token source as the session room has it. */
export const tokenSourceOf = (accessToken: AccessToken | undefined): (() => Observable<string | null>) | null =>
  accessToken ? () => streamOf(accessToken()) : null;

/** An app's stream that fails must not take the line with it. */
const ignoreErrors = (reconnect$: Observable<unknown>): Observable<unknown> => reconnect$.pipe(catchError(() => EMPTY));

/** Throws an `InvalidArgumentError` for options that make no sense. */
export const checkClientOptions = (options: SyncClientOptions): CheckedClientOptions => {
  const { accessToken, log, clock = systemClock } = checkOptions('options', options, optionNames);
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
