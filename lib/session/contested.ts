import { catchError, type MonoTypeOperatorFunction, throwError } from 'rxjs';
import type { Clock } from '../clock.js';
import { SyncError } from '../model/errors.js';
import { asDrop, ending } from './drop.js';
import type { SessionEvent } from './events.js';

/** How often within so many milliseconds a session takes its replica back: three times may be lines that are slow to die, four times is somebody else. */
const often = { most: 3, withinMs: 60_000 } as const;

/**
 * Lets a session that was `replaced` bind again: mostly that was itself, with a bind of an earlier line that came late, or twice. The
 * fourth time within a minute somebody else has a copy of the same data and wants it, too: then it errors with a fatal `replaced`, or both
 * would go on for ever. Belongs to one session: it counts.
 */
export const unlessContested = ({ scheduler }: Pick<Clock, 'scheduler'>): MonoTypeOperatorFunction<SessionEvent> => {
  let times: readonly number[] = [];
  return catchError((thrown: unknown) => {
    const drop = asDrop(thrown);
    const { reason } = drop;
    if (reason.kind !== 'suspended' || reason.code !== 'replaced') return throwError(() => drop);
    times = [...times.filter((at) => scheduler.now() - at < often.withinMs), scheduler.now()];
    return throwError(() => (times.length > often.most ? ending(new SyncError('replaced', reason.text)) : drop));
  });
};
