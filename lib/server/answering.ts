import { defer, ignoreElements, tap, timer, type Observable } from 'rxjs';
import type { Clock } from '../clock.js';
import { closeCodes } from '../protocol/messages.js';
import { serverHost } from '../protocol/wires.js';
import { limits as bounds } from '../model/limits.js';
import { accept } from '../transport/accept.js';
import type { Connection } from '../transport/listen.js';
import { hangUp, hostOf, wireOf } from '../transport/wire.js';
import type { Core } from './core.js';
import type { Doorman } from './doorman.js';
import type { CheckedOptions, ServerLimits } from './options.js';
import type { Tell } from './telling.js';
import { createTurns } from './turns.js';
import { createVisits, attended, loggedText, type Caller } from './visit.js';

export interface AnsweringPorts {
  readonly core: Pick<Core, 'answer' | 'tally'>;
  readonly doorman: Pick<Doorman, 'entered'>;
  readonly clock: Pick<Clock, 'now' | 'scheduler'>;
  readonly lines: CheckedOptions['lines'];
  readonly limits: Pick<ServerLimits, 'silenceMsMax' | 'socketBacklogBytesMax' | 'frameBytesMax'>;
  readonly tell: Tell;
}

/** Looks at all sockets so many times in the longest silence: one timer for all of them. */
const looksInSilence = 10;

/**
 * Answers each socket that it is given, and tells of it: one line when it has closed, which has all. `watch$` has to be subscribed as
 * long: it hangs up on who has said nothing for `silenceMsMax`, at most a tenth of that later, because a socket does not tell that its other end is gone.
 */
export const answering = ({ core, doorman, clock, lines, limits, tell }: AnsweringPorts) => {
  const { silenceMsMax, socketBacklogBytesMax: backlogBytesMax } = limits;
  const visits = createVisits({ tally: core.tally, doorman, clock, limits, tell });
  const turns = createTurns(clock);
  const failed = (error: unknown): void => tell({ level: 'error', event: 'failed', realm: null, error });

  const hangUpOnSilent = (): void => {
    const since = clock.scheduler.now() - silenceMsMax;
    for (const visit of visits.open)
      if (visit.heardAt <= since) visit.end(hangUp(closeCodes.notBound, `nothing was heard for ${silenceMsMax} ms`));
  };

  const answer = (caller: Caller): Observable<never> =>
    defer(() => {
      const visit = visits.visited(caller);
      const { guest } = visit;
      const passed = (way: 'in' | 'out', bytes: number): void => {
        if (way === 'out') {
          visit.bytesOut += bytes;
          return;
        }
        visit.bytesIn += bytes;
        visit.heardAt = clock.scheduler.now();
      };
      const ended = (text: string): void => void (visit.text = loggedText(text));
      const valuesMax = (): number => (guest.user === null ? bounds.unboundFrameValuesMax : bounds.frameValuesMax);
      const host = core.answer(guest);
      const answered = serverHost(lines ? hostOf(lines(wireOf(host))) : host, valuesMax);
      return accept(caller.socket, attended(visit, turns, answered), { failed, backlogBytesMax, passed, ended });
    });

  return {
    watch$: timer(silenceMsMax / looksInSilence, silenceMsMax / looksInSilence, clock.scheduler).pipe(
      tap(hangUpOnSilent),
      ignoreElements(),
    ),
    // Nothing else of the call is kept as long as the connection: its headers are larger than all the rest.
    answer: ({ socket, address, headers: { origin }, onBytes }: Connection): Observable<never> =>
      answer({ socket, address, origin, onBytes }),
  };
};
