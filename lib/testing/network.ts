import {
  defer,
  delay,
  dematerialize,
  EMPTY,
  filter,
  identity,
  map,
  materialize,
  merge,
  NEVER,
  of,
  switchMap,
  throwError,
  timer,
  concat,
  type MonoTypeOperatorFunction,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { InvalidArgumentError } from '../model/errors.js';
import { checkNumber, checkOptions, limits } from '../model/limits.js';
import type { ClientMessage, ServerMessage, WireError } from '../protocol/messages.js';
import { ConnectionError, type Dial, type Wire } from '../transport/wire.js';
import { scriptedServer } from './scripted-server.js';
import { readTimetable, type ConditionChange, type Timetable } from './network-timetable.js';

type ServerWire = Wire<ClientMessage, ServerMessage>;

/**
 * Options of the network of a marble test.
 *
 * @example
 * ```ts
 * const server = createSyncServer({ storage: memoryStorage(), clock });
 * const { dial } = network('o 1s k', { server, codes: { k: 4500 } });
 * ```
 */
export interface NetworkOptions {
  /**
   * The server: `server.wire` of a real or a scripted server.
   *
   * @defaultValue a `scriptedServer` that accepts everything
   */
  readonly server?: { readonly wire: ServerWire };
  /**
   * Milliseconds that each message takes in each direction. A connection attempt takes twice as long.
   *
   * @defaultValue `0`
   */
  readonly latencyMs?: number;
  /**
   * Additional letters for close codes: with `{ k: 4500 }` the server closes all connections with 4500 at each `k`.
   *
   * @defaultValue none
   */
  readonly codes?: Readonly<Record<string, number>>;
}

/**
 * The network of one test.
 *
 * @example
 * ```ts
 * const { dial, online$ } = network('o 2s x 3s o');
 * const client = createSyncClient({ dial, reconnect$: online$, clock });
 * ```
 */
export interface Network {
  /**
   * The transport for `createSyncClient({ dial })`. Cold: each subscription is one connection attempt. Emits one wire
   * when the attempt succeeds. Never completes. Errors with a `ConnectionError` when the attempt fails. The value is a
   * wire, whose connection follows the diagram.
   */
  readonly dial: Dial<ClientMessage, ServerMessage>;
  /**
   * The reconnect trigger for `createSyncClient({ reconnect$ })`. Cold. Emits at each `o` after the subscription, and
   * at each other letter that brings the network back. Never completes. Never errors. Each value is `'online'`.
   */
  readonly online$: Observable<unknown>;
}

interface NetworkSetting {
  readonly times: Timetable;
  readonly scheduler: SchedulerLike;
  readonly latencyMs: number;
  readonly server: ServerWire;
}

const failUnreachable = (detail: string): Observable<never> =>
  throwError(() => new ConnectionError({ kind: 'unreachable', detail }));
const down$ = failUnreachable('The network is down.');
const brokenConnection = new ConnectionError({ kind: 'closed', code: 1006, text: '' });
const tokenExpired: WireError = {
  type: 'error',
  session: null,
  code: 'token-expired',
  text: 'The token of this connection has expired.',
  retry: 'later',
};

const endOf = ({ condition }: ConditionChange): Observable<ServerMessage> => {
  if (condition.kind === 'expiring') return of(tokenExpired);
  const end =
    condition.kind === 'closing'
      ? new ConnectionError({ kind: 'closed', code: condition.code, text: '' })
      : brokenConnection;
  return throwError(() => end);
};

/** A connection that was opened at `since`. It carries messages until it falls silent, and ends when it is cut. */
const createWire =
  ({ times, scheduler, latencyMs, server }: NetworkSetting, since: number): ServerWire =>
  (sent$) => {
    const silent = times.nextOf(since, 'half-open')?.frame ?? Infinity;
    const cut = times.nextOf(since, 'down', 'closing', 'expiring');
    // A silent connection receives nothing of its server; it ends only when the network goes down.
    const end = cut && cut.frame > silent ? times.nextOf(since, 'down') : cut;
    const carries = (): boolean => scheduler.now() < silent;
    const delayMessages = <A>(): MonoTypeOperatorFunction<A> =>
      latencyMs === 0 ? identity : delay<A>(latencyMs, scheduler);
    const carry = <A>(messages$: Observable<A>): Observable<A> =>
      messages$.pipe(filter(carries), delayMessages(), filter(carries));
    const ending$ = end ? timer(end.frame - scheduler.now(), scheduler).pipe(switchMap(() => endOf(end))) : NEVER;
    return merge(server(carry(sent$)).pipe(materialize(), carry), ending$.pipe(materialize())).pipe(dematerialize());
  };

/** A connection attempt that begins now. It succeeds after a round trip in an open network. */
const connect = (setting: NetworkSetting): Observable<ServerWire> =>
  defer(() => {
    const { times, scheduler, latencyMs } = setting;
    const now = scheduler.now();
    const when = (change: ConditionChange | undefined, next$: Observable<ServerWire>): Observable<ServerWire> =>
      change ? timer(change.frame - now, scheduler).pipe(switchMap(() => next$)) : NEVER;
    switch (times.conditionAt(now)) {
      case 'down':
        return down$;
      case 'rejecting':
        return failUnreachable('The server rejects connections.');
      case 'half-open':
        return when(times.nextChange(now), connect(setting));
      case 'open': {
        const arrives = now + 2 * latencyMs;
        const cut = times.nextOf(now, 'down', 'half-open', 'rejecting');
        if (cut && cut.frame <= arrives) return when(cut, cut.condition.kind === 'down' ? down$ : connect(setting));
        const answered$ = defer(() => of(createWire(setting, scheduler.now())));
        return latencyMs === 0 ? answered$ : timer(2 * latencyMs, scheduler).pipe(switchMap(() => answered$));
      }
    }
  });

/**
 * Creates a network that changes in virtual time as a diagram says; `MarbleHelpers.network` describes the letters.
 * Messages in transit are lost when their connection ends. Nothing runs before `dial` is subscribed.
 */
export const createNetwork = (scheduler: SchedulerLike, diagram: string, options: NetworkOptions = {}): Network => {
  const {
    server,
    latencyMs = 0,
    codes = {},
  } = checkOptions('options of createNetwork', options, ['server', 'latencyMs', 'codes']);
  checkNumber('options.latencyMs', latencyMs, 0, limits.timerMsMax);
  const times = readTimetable(diagram, codes);
  const { wire } = server ?? scriptedServer();
  if (typeof wire !== 'function') throw new InvalidArgumentError('options.server', 'a server with a wire', server);
  const back$ = times.returns.map((frame) =>
    defer(() =>
      frame < scheduler.now() ? EMPTY : timer(frame - scheduler.now(), scheduler).pipe(map(() => 'online')),
    ),
  );
  return {
    dial: concat(connect({ times, scheduler, latencyMs, server: wire }), NEVER),
    online$: merge(...back$, NEVER),
  };
};
