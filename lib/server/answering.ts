import { defer, ignoreElements, tap, timer, type Observable } from 'rxjs';
import type { Clock } from '../clock.js';
import { closeCodes } from '../protocol/messages.js';
import { serverHost } from '../protocol/wires.js';
import { accept } from '../transport/accept.js';
import type { Connection } from '../transport/listen.js';
import { closeSocket } from '../transport/socket.js';
import { hostOf, wireOf } from '../transport/wire.js';
import type { Guest } from './connection.js';
import type { Core } from './core.js';
import type { Doorman } from './doorman.js';
import type { CheckedOptions, ServerLimits } from './options.js';
import { count } from './tally.js';
import type { Tell } from './telling.js';

export interface AnsweringPorts {
  readonly core: Pick<Core, 'answer' | 'tally'>;
  readonly doorman: Pick<Doorman, 'entered'>;
  readonly clock: Pick<Clock, 'now' | 'scheduler'>;
  readonly lines: CheckedOptions['lines'];
  readonly limits: Pick<ServerLimits, 'silenceMsMax' | 'socketBacklogBytesMax'>;
  readonly tell: Tell;
}

/** A socket that is being answered. */
interface Visit {
  readonly socket: Connection['socket'];
  readonly guest: Guest;
  bytesIn: number;
  bytesOut: number;
  /** When something was heard last. */
  heardAt: number;
}

/** Looks at all sockets so many times in the longest silence: one timer for all of them. */
const looksInSilence = 10;

/**
 * Answers each socket that it is given, and tells of it: one line when it has closed, which has all. `watch$` has to be subscribed as
 * long: it hangs up on who has said nothing for `silenceMsMax`, at most a tenth of that later, because a socket does not tell that its other end is gone.
 */
export const answering = ({ core, doorman, clock, lines, limits, tell }: AnsweringPorts) => {
  const { tally } = core;
  const { silenceMsMax, socketBacklogBytesMax: backlogBytesMax } = limits;
  const visits = new Set<Visit>();
  const failed = (error: unknown): void => tell({ level: 'error', event: 'failed', realm: null, error });
  let connections = 0;

  const hangUpOnSilent = (): void => {
    const since = clock.now() - silenceMsMax;
    for (const { heardAt, socket } of visits)
      if (heardAt <= since) closeSocket(socket, closeCodes.notBound, `nothing was heard for ${silenceMsMax} ms`);
  };

  const visited = (socket: Connection['socket'], address: string, origin: string | null): Visit => {
    const connection = (connections += 1);
    const since = clock.now();
    const left = doorman.entered(address);
    const visit: Visit = { socket, guest: { user: null, sessions: 0 }, bytesIn: 0, bytesOut: 0, heardAt: since };
    visits.add(visit);
    tell({ level: 'debug', event: 'opened', connection, address, origin });
    socket.addEventListener('close', ({ code, reason }: { readonly code: number; readonly reason: string }) => {
      left();
      visits.delete(visit);
      count(tally.closed, code);
      const { guest, bytesIn, bytesOut } = visit;
      tally.frameBytesIn += bytesIn;
      tally.frameBytesOut += bytesOut;
      const took = { ms: clock.now() - since, bytesIn, bytesOut };
      tell({ level: 'info', event: 'closed', connection, address, ...guest, code, text: reason, ...took });
    });
    return visit;
  };

  const answer = (socket: Connection['socket'], address: string, origin: string | null): Observable<never> =>
    defer(() => {
      const visit = visited(socket, address, origin);
      const passed = (way: 'in' | 'out', bytes: number): void => {
        if (way === 'out') {
          visit.bytesOut += bytes;
          return;
        }
        visit.bytesIn += bytes;
        visit.heardAt = clock.now();
      };
      const host = core.answer(visit.guest);
      const answered = lines ? hostOf(lines(wireOf(host))) : host;
      return accept(socket, serverHost(answered), { failed, backlogBytesMax, passed });
    });

  return {
    watch$: timer(silenceMsMax / looksInSilence, silenceMsMax / looksInSilence, clock.scheduler).pipe(
      tap(hangUpOnSilent),
      ignoreElements(),
    ),
    // Nothing else of the call is kept as long as the connection: its headers are larger than all the rest.
    answer: ({ socket, address, headers }: Connection): Observable<never> =>
      answer(socket, address, headers.origin ?? null),
  };
};
