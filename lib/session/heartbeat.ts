import {
  concat,
  defer,
  filter,
  map,
  merge,
  mergeMap,
  type Observable,
  race,
  repeat,
  switchMap,
  take,
  tap,
  throwError,
  timer,
} from 'rxjs';
import type { Clock } from '../clock.js';
import type { Ping } from '../protocol/messages.js';
import { silent } from './drop.js';
import type { SyncTimeouts } from './options.js';

export interface HeartbeatPorts {
  readonly timeouts: Pick<SyncTimeouts, 'ping' | 'probe'>;
  readonly clock: Clock;
  /** `sentAt` of the last answered ping: the present value, then each. */
  readonly answered$: Observable<number | null>;
  /** Each emission sends a ping at once. */
  readonly probe$: Observable<unknown>;
  /** Called when a probe was answered: the line is alive. */
  readonly proved: () => void;
}

/**
 * The pings of one open line: the first at random within the period, so that a thousand clients that came together do
 * not beat together; one outstanding, besides probes. Cold; never completes; errors when a probe stays unanswered (R5).
 */
export const heartbeat = ({ timeouts, clock, answered$, probe$, proved }: HeartbeatPorts): Observable<Ping> =>
  defer(() => {
    const { scheduler, random, now } = clock;
    let sentAt: number | null = null; // Of the last regular ping; belongs to this line.
    const answered = (of: number | null) =>
      answered$.pipe(
        filter((last) => last !== null && of !== null && last >= of),
        take(1),
      );

    const ping = (): Ping => ({ type: 'ping', sentAt: now() });
    const first = defer(() => timer(timeouts.ping * (1 - random()), scheduler));
    const next = defer(() => timer(timeouts.ping * (1 - random() / 10), scheduler)).pipe(
      repeat({ delay: () => answered(sentAt) }),
    );
    const regular = concat(first, defer(() => answered(sentAt)).pipe(switchMap(() => next))).pipe(
      map(ping),
      tap((sent) => (sentAt = sent.sentAt)),
    );

    const probes = probe$.pipe(
      map(ping),
      mergeMap(
        (sent) => concat([sent], unansweredAfter(timeouts.probe, answered(sent.sentAt).pipe(tap(proved)), clock)),
        1,
      ),
    );
    return merge(regular, probes);
  });

/** Nothing when the answer comes in time, a drop when it does not. */
const unansweredAfter = (ms: number, answer$: Observable<unknown>, { scheduler }: Clock): Observable<never> =>
  race(answer$, timer(ms, scheduler).pipe(mergeMap(() => throwError(() => silent('probe'))))).pipe(
    filter((_): _ is never => false),
  );
