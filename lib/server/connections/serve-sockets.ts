import { defer, ignoreElements, tap, timer, type Observable } from 'rxjs';
import type { Clock } from '../../clock.js';
import { closeCodes } from '../../protocol/messages.js';
import { serverAcceptor } from '../../protocol/message-wire.js';
import { limits as bounds } from '../../model/limits.js';
import { serverLimits } from '../server-limits.js';
import { serveSocket } from '../../transport/serve-socket.js';
import type { AcceptedSocket } from '../../transport/websocket-listener.js';
import { createCloseError, acceptorOf, wireOf } from '../../transport/wire.js';
import type { ServerCore } from '../server-core.js';
import type { ConnectionLimiter } from './connection-limiter.js';
import type { ServerLimits } from '../server-options.js';
import type { CheckedServerOptions } from '../check-server-options.js';
import { createFailedEvent, type ServerLog } from '../http/server-events.js';
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

/** Checks of all sockets per `silenceMsMax`. One timer serves all sockets. */
const checksPerSilence = 10;

/**
 * Creates the handler of accepted sockets, which logs each socket when it has closed. `watch$` must stay subscribed: it
 * ends connections without a frame for `silenceMsMax`, at most a tenth of that later, because a socket does not report
 * that its other end is gone.
 */
export const createSocketHandler = ({ core, limiter, clock, middleware, limits, log }: ServeSocketsPorts) => {
  const { silenceMsMax, socketBacklogBytesMax: backlogBytesMax } = limits;
  const sockets = createServedSockets({ serverCounters: core.serverCounters, limiter, clock, limits, log });
  const turns = createRoundRobin(clock);
  const onFailure = (error: unknown): void => log(createFailedEvent(null, error));

  const endSilent = (): void => {
    const since = clock.scheduler.now() - silenceMsMax;
    for (const served of sockets.open)
      if (served.lastReceivedAt <= since)
        served.end(createCloseError(closeCodes.notBound, `No frame was received for ${silenceMsMax} ms.`));
  };

  const answer = (info: SocketInfo): Observable<never> =>
    defer(() => {
      const served = sockets.serve(info);
      const { client } = served;
      const onFrame = (way: 'in' | 'out', bytes: number): void => {
        if (way === 'out') {
          served.bytesOut += bytes;
          return;
        }
        served.bytesIn += bytes;
        served.lastReceivedAt = clock.scheduler.now();
      };
      const onEnd = (text: string): void => void (served.text = loggableTextOf(text));
      const valuesMax = (): number =>
        client.user === null ? serverLimits.unboundFrameValuesMax : bounds.frameValuesMax;
      const acceptor = core.createAcceptor(client);
      const checkedAcceptor = serverAcceptor(
        middleware ? acceptorOf(middleware(wireOf(acceptor))) : acceptor,
        valuesMax,
      );
      return serveSocket(info.socket, createFairAcceptor(served, turns, checkedAcceptor), {
        sendFrame: info.sendFrame,
        onFailure,
        backlogBytesMax,
        onFrame,
        onEnd,
      });
    });

  return {
    watch$: timer(silenceMsMax / checksPerSilence, silenceMsMax / checksPerSilence, clock.scheduler).pipe(
      tap(endSilent),
      ignoreElements(),
    ),
    // Keeps nothing else of the upgrade request, because its headers need more memory than all the rest.
    answer: ({ socket, address, headers: { origin }, onBytes, sendFrame }: AcceptedSocket): Observable<never> =>
      answer({ socket, address, origin, onBytes, sendFrame }),
  };
};
