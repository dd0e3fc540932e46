import {
  concat,
  defer,
  exhaustMap,
  filter,
  map,
  merge,
  mergeMap,
  type Observable,
  race,
  repeat,
  startWith,
  switchMap,
  take,
  tap,
  throwError,
  timer,
} from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Ping } from '../../protocol/messages.js';
import { createSilenceDisconnect } from './disconnect.js';
import type { SyncTimeouts } from './timeouts.js';

export interface HeartbeatPorts {
  readonly timeouts: Pick<SyncTimeouts, 'ping'>;
  readonly clock: Clock;
  /** `sentAt` of the last answered ping: the current value on subscription, then each. */
  readonly answered$: Observable<number | null>;
  /**
   * Each emission sends a ping at once, unless one is unanswered. Its value is the milliseconds that the connection may
   * then be silent.
   */
  readonly probe$: Observable<number>;
  /** Emits whenever anything arrives. */
  readonly received$: Observable<unknown>;
  /** Called when a probe was answered, which proves the connection alive. */
  readonly onAlive: () => void;
}

/**
 * Emits the pings of one open connection.
 *
 * The first ping comes at random within the period, so that a thousand clients that connect together do not ping
 * together. At most one ping is unanswered, besides probes. Cold. Never completes. Errors when a probe stays unanswered
 * (R5).
 */
export const createHeartbeat = ({
  timeouts,
  clock,
  answered$,
  probe$,
  received$,
  onAlive,
}: HeartbeatPorts): Observable<Ping> =>
  defer(() => {
    const { scheduler, random } = clock;
    let sentAt: number | null = null; // Of the last regular ping on this connection.
    const waitForAnswer = (of: number | null) =>
      answered$.pipe(
        filter((last) => last !== null && of !== null && last >= of),
        take(1),
      );

    // Not by the wall clock: if it were set back, an earlier answer would be taken for that of this ping.
    const ping = (): Ping => ({ type: 'ping', sentAt: scheduler.now() });
    const first = defer(() => timer(timeouts.ping * (1 - random()), scheduler));
    const next = defer(() => timer(timeouts.ping * (1 - random() / 10), scheduler)).pipe(
      repeat({ delay: () => waitForAnswer(sentAt) }),
    );
    const regular = concat(first, defer(() => waitForAnswer(sentAt)).pipe(switchMap(() => next))).pipe(
      map(ping),
      tap((sent) => (sentAt = sent.sentAt)),
    );

    const probes = probe$.pipe(
      exhaustMap((ms) => {
        const sent = ping();
        const silence$ = received$.pipe(
          startWith(0),
          switchMap(() => timer(ms, scheduler)),
        );
        return concat([sent], failUnlessAnswered(silence$, waitForAnswer(sent.sentAt).pipe(tap(onAlive))));
      }),
    );
    return merge(regular, probes);
  });

/** Emits nothing. Completes when the answer comes before the silence, and errors with a `Disconnect` otherwise. */
const failUnlessAnswered = (silence$: Observable<unknown>, answer$: Observable<unknown>): Observable<never> =>
  race(answer$, silence$.pipe(mergeMap(() => throwError(() => createSilenceDisconnect('probe'))))).pipe(
    filter((_): _ is never => false),
  );
