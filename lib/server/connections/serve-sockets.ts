import { ignoreElements, tap, timer } from 'rxjs';
import type { Clock } from '../../clock.js';
import { closeCodes } from '../../protocol/messages.js';
import { serverAcceptor } from '../../protocol/message-wire.js';
import type { AcceptedSocket } from '../../transport/websocket-listener.js';
import { createCloseError, acceptorOf, wireOf } from '../../transport/wire.js';
import type { ServerCore } from '../server-core.js';
import type { ConnectionLimiter } from './connection-limiter.js';
import type { ServerLimits } from '../server-options.js';
import type { CheckedServerOptions } from '../check-server-options.js';
import type { ServerLog } from '../http/server-events.js';
import { createRoundRobin } from '../uploads/round-robin.js';
import { createServedSockets } from './socket-lifecycle.js';

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
  const { silenceMsMax } = limits;
  const { serverCounters } = core;
  const sockets = createServedSockets({ serverCounters, limiter, clock, limits, log }, createRoundRobin(clock));

  const endSilent = (): void => {
    const since = clock.scheduler.now() - silenceMsMax;
    for (const served of sockets.open)
      if (served.lastReceivedAt <= since)
        served.end(createCloseError(closeCodes.notBound, `No frame was received for ${silenceMsMax} ms.`));
  };

  return {
    watch$: timer(silenceMsMax / checksPerSilence, silenceMsMax / checksPerSilence, clock.scheduler).pipe(
      tap(endSilent),
      ignoreElements(),
    ),
    /** Serves a socket until it is closed. */
    answer: (accepted: AcceptedSocket): void => {
      const served = sockets.add(accepted);
      const acceptor = core.createAcceptor(served);
      const checked = middleware ? acceptorOf(middleware(wireOf(acceptor))) : acceptor;
      served.serve(accepted.socket, serverAcceptor(checked, served));
    },
    /** Closes all sockets. */
    stop: (): void => {
      for (const served of [...sockets.open]) served.stop();
    },
  };
};
