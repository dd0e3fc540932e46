import { catchError, EMPTY, from, map, of, type Observable, type ObservableInput } from 'rxjs';
import { type Clock, systemClock } from '../clock.js';
import { InvalidArgumentError } from '../model/errors.js';
import { checkedOptions, limits } from '../model/limits.js';
import { type ClientMessage, type ServerMessage, subprotocol } from '../protocol/messages.js';
import { clientWire } from '../protocol/wires.js';
import { checkedTimeouts, type SyncTimeouts } from '../session/options.js';
import { webSocketDial } from '../transport/dial.js';
import type { Dial } from '../transport/wire.js';
import { checkedClock, checkedFunction, checkedObservable } from './checks.js';
import { type ClientLog, harmless } from './log.js';
import { platformNudges } from './nudges.js';

/**
 * Where access tokens come from: a function that gives a token, or anything RxJS can subscribe to (a promise, a
 * stream), called when a token is needed and again when that one has expired. The first token that is not the expired one
 * is taken. An error whose `status` is 401 or 403, and `null`, mean that the user is refused; any other error is a failure
 * to ask, and is tried again.
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
   * The id of the user, when the app knows it: a copy of a realm on this device belongs to one user, and is not opened for another one. Without it the
   * `sub` of an access token that is a JSON Web Token says so, as soon as there is one.
   */
  readonly user?: string;
  /** How long each thing may take, in milliseconds. */
  readonly timeouts?: Partial<SyncTimeouts>;
  /**
   * What else means "try now", besides `reconnect()`: each emission ends a wait and starts the backoff over; a line that
   * looks alive is only probed. `platformNudges()` with the client's clock unless given; the values do not matter. It is
   * subscribed to once while any session wants the line, and again when one does again. It is an event, not a state: it
   * should not emit on subscription. If it completes or errors, it has nothing more to say, and nothing else ends.
   */
  readonly nudge$?: Observable<unknown>;
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
  readonly nudge$: Observable<unknown>;
  readonly clock: Clock;
  readonly log: ClientLog;
}

const optionNames = ['url', 'dial', 'accessToken', 'user', 'timeouts', 'nudge$', 'clock', 'log', 'WebSocket'] as const;

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
  if (dial !== undefined) return checkedObservable('dial', dial);
  if (WebSocket !== undefined) checkedFunction('WebSocket', WebSocket as object);
  const socket = { url: checkedUrl(url), protocols: [subprotocol], frameBytesMax: limits.frameBytesMax };
  return webSocketDial(WebSocket === undefined ? socket : { ...socket, WebSocket: WebSocket as never }).pipe(
    map(clientWire),
  );
};

export const checkedUser = (argument: string, given: string | undefined): string | null => {
  if (given === undefined || (typeof given === 'string' && given !== '')) return given ?? null;
  throw new InvalidArgumentError(argument, 'the id of a user, a text that is not empty', given);
};

export const checkedAccessToken = (given: AccessToken): AccessToken => checkedFunction('accessToken', given);

/** RxJS would take a text for a stream of its characters. */
const streamOf = (answer: ReturnType<AccessToken>): Observable<string | null> =>
  typeof answer === 'object' && answer !== null ? from(answer) : of(answer);

/** A token source as the session room has it. */
export const asked = (accessToken: AccessToken | undefined): (() => Observable<string | null>) | null =>
  accessToken ? () => streamOf(accessToken()) : null;

/** An app's stream that fails must not take the line with it. */
const quiet = (nudge$: Observable<unknown>): Observable<unknown> => nudge$.pipe(catchError(() => EMPTY));

/** Throws an `InvalidArgumentError` for options that make no sense. */
export const checkedClientOptions = (options: SyncClientOptions): CheckedClientOptions => {
  const { accessToken, log, clock = systemClock } = checkedOptions('options', options, optionNames);
  const { nudge$ = platformNudges({ clock: checkedClock(clock) }) } = options;
  if (log !== undefined) checkedFunction('log', log);
  return {
    dial: dialOf(options),
    accessToken: asked(accessToken === undefined ? undefined : checkedAccessToken(accessToken)),
    user: checkedUser('user', options.user),
    timeouts: checkedTimeouts(options.timeouts),
    nudge$: quiet(checkedObservable('nudge$', nudge$)),
    clock,
    log: harmless(log),
  };
};
