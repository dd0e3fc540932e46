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

export interface NetworkOptions {
  /** Who answers: a server's `wire`, or a scripted one. One that takes everything unless given. */
  readonly server?: { readonly wire: ServerWire };
  /**
   * How long every message is under way, in each direction, in milliseconds. A call takes twice that. 0 unless given.
   */
  readonly latencyMs?: number;
  /** Letters of your own for close codes: `{ k: 4500 }` has the server close all lines with 4500 at each `k`. */
  readonly codes?: Readonly<Record<string, number>>;
}

/** A network of one test. */
export interface Network {
  /** For `createSyncClient({ dial })`. Cold: each call, and each of its lines, goes by the diagram. */
  readonly dial: Dial<ClientMessage, ServerMessage>;
  /**
   * Emits at each `o`, and when another letter brings the network back, as a device notices: for
   * `createSyncClient({ reconnect$ })`. Never completes.
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
const down$ = failUnreachable('the network is down');
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

/** A line that was answered at a moment: it carries until it falls silent, and ends when it is cut. */
const createWire =
  ({ times, scheduler, latencyMs, server }: NetworkSetting, since: number): ServerWire =>
  (said) => {
    const silent = times.nextOf(since, 'half-open')?.frame ?? Infinity;
    const cut = times.nextOf(since, 'down', 'closing', 'expiring');
    // A line that is silent hears nothing of what its server does; only that its own end breaks.
    const end = cut && cut.frame > silent ? times.nextOf(since, 'down') : cut;
    const carries = (): boolean => scheduler.now() < silent;
    const underWay = <A>(): MonoTypeOperatorFunction<A> =>
      latencyMs === 0 ? identity : delay<A>(latencyMs, scheduler);
    const carried = <A>(heard: Observable<A>): Observable<A> =>
      heard.pipe(filter(carries), underWay(), filter(carries));
    const ending$ = end ? timer(end.frame - scheduler.now(), scheduler).pipe(switchMap(() => endOf(end))) : NEVER;
    return merge(server(carried(said)).pipe(materialize(), carried), ending$.pipe(materialize())).pipe(dematerialize());
  };

/** A call that begins now: answered after a round trip in an open network. */
const connect = (setting: NetworkSetting): Observable<ServerWire> =>
  defer(() => {
    const { times, scheduler, latencyMs } = setting;
    const now = scheduler.now();
    const when = (change: ConditionChange | undefined, next$: Observable<ServerWire>): Observable<ServerWire> =>
      change ? timer(change.frame - now, scheduler).pipe(switchMap(() => next$)) : NEVER;
    switch (times.conditionAt(now)) {
      case 'down':
        return down$;
      case 'refusing':
        return failUnreachable('the server refuses calls');
      case 'half-open':
        return when(times.nextChange(now), connect(setting));
      case 'open': {
        const arrives = now + 2 * latencyMs;
        const cut = times.nextOf(now, 'down', 'half-open', 'refusing');
        if (cut && cut.frame <= arrives) return when(cut, cut.condition.kind === 'down' ? down$ : connect(setting));
        const answered$ = defer(() => of(createWire(setting, scheduler.now())));
        return latencyMs === 0 ? answered$ : timer(2 * latencyMs, scheduler).pipe(switchMap(() => answered$));
      }
    }
  });

/**
 * A network that a diagram describes, by virtual time. Before its first letter it is down. `o`: open, calls are
 * answered. `x`: down, lines end with close code 1006, and calls fail at once. `h`: half-open, what is said is lost in
 * both directions, lines stay silent for good, and calls wait for the next letter. `r`: calls are refused, lines stay.
 * `t`: the server ends all lines with `token-expired`. Letters of `codes`: the server closes all lines with that code.
 * What is under way when a line ends is lost. Throws an `InvalidArgumentError` for other letters. Nothing runs before
 * `dial` is subscribed to.
 */
export const createNetwork = (scheduler: SchedulerLike, diagram: string, options: NetworkOptions = {}): Network => {
  const { server, latencyMs = 0, codes = {} } = checkOptions('options', options, ['server', 'latencyMs', 'codes']);
  checkNumber('options.latencyMs', latencyMs, 0, limits.timerMsMax);
  const times = readTimetable(diagram, codes);
  const { wire } = server ?? scriptedServer();
  if (typeof wire !== 'function')
    throw new InvalidArgumentError('options.server', 'a server, which has a wire', server);
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
