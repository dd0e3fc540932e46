import { defer, ignoreElements, tap, timer, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import { closeCodes } from '../../protocol/messages.js';
import { serverAcceptor } from '../../protocol/message-wire.js';
import { limits as bounds } from '../../model/limits.js';
import { serveSocket } from '../../transport/serve-socket.js';
import type { AcceptedSocket } from '../../transport/websocket-listener.js';
import { createCloseError, acceptorOf, wireOf } from '../../transport/wire.js';
import type { ServerCore } from '../server-core.js';
import type { ConnectionLimiter } from './connection-limiter.js';
import type { CheckedServerOptions, ServerLimits } from '../server-options.js';
import type { ServerLog } from '../http/server-events.js';
import { createRoundRobin } from '../uploads/round-robin.js';
import { createServedSockets, createFairAcceptor, loggableTextOf, type SocketInfo } from './socket-lifecycle.js';

export interface ServeSocketsPorts {
  readonly core: Pick<ServerCore, 'createAcceptor' | 'serverCounters'>;
  readonly limiter: Pick<ConnectionLimiter, 'addConnection'>;
  readonly clock: Pick<Clock, 'now' | 'scheduler'>;
  readonly middleware: CheckedServerOptions['middleware'];
  readonly limits: Pick<ServerLimits, 'silenceMsMax' | 'socketBacklogBytesMax' | 'frameBytesMax'>;
  readonly log: ServerLog;
}

/** Looks at all sockets so many times in the longest silence: one timer for all of them. */
const checksPerSilence = 10;

/**
 * Answers each socket that it is given, and tells of it: one line when it has closed, which has all. `watch$` has to be
 * subscribed as long: it hangs up on who has said nothing for `silenceMsMax`, at most a tenth of that later, because a
 * socket does not tell that its other end is gone.
 */
export const createSocketHandler = ({ core, limiter, clock, middleware, limits, log }: ServeSocketsPorts) => {
  const { silenceMsMax, socketBacklogBytesMax: backlogBytesMax } = limits;
  const visits = createServedSockets({ serverCounters: core.serverCounters, limiter, clock, limits, log });
  const turns = createRoundRobin(clock);
  const failed = (error: unknown): void => log({ level: 'error', event: 'failed', realm: null, error });

  const hangUpOnSilent = (): void => {
    const since = clock.scheduler.now() - silenceMsMax;
    for (const visit of visits.open)
      if (visit.lastReceivedAt <= since)
        visit.end(createCloseError(closeCodes.notBound, `nothing was heard for ${silenceMsMax} ms`));
  };

  const answer = (caller: SocketInfo): Observable<never> =>
    defer(() => {
      const visit = visits.visited(caller);
      const { client } = visit;
      const passed = (way: 'in' | 'out', bytes: number): void => {
        if (way === 'out') {
          visit.bytesOut += bytes;
          return;
        }
        visit.bytesIn += bytes;
        visit.lastReceivedAt = clock.scheduler.now();
      };
      const ended = (text: string): void => void (visit.text = loggableTextOf(text));
      const valuesMax = (): number => (client.user === null ? bounds.unboundFrameValuesMax : bounds.frameValuesMax);
      const host = core.createAcceptor(client);
      const answered = serverAcceptor(middleware ? acceptorOf(middleware(wireOf(host))) : host, valuesMax);
      return serveSocket(caller.socket, createFairAcceptor(visit, turns, answered), {
        onFailure: failed,
        backlogBytesMax,
        onFrame: passed,
        onEnd: ended,
      });
    });

  return {
    watch$: timer(silenceMsMax / checksPerSilence, silenceMsMax / checksPerSilence, clock.scheduler).pipe(
      tap(hangUpOnSilent),
      ignoreElements(),
    ),
    // Nothing else of the call is kept as long as the connection: its headers are larger than all the rest.
    answer: ({ socket, address, headers: { origin }, onBytes }: AcceptedSocket): Observable<never> =>
      answer({ socket, address, origin, onBytes }),
  };
};
