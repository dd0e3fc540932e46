import type { Clock } from '../clock.js';
import { SyncError } from '../model/errors.js';
import { type Drop, ending } from './drop.js';

/** How often within so many milliseconds a session takes its replica back: three times may be lines that are slow to die, four times is somebody else. */
const often = { most: 3, withinMs: 60_000 } as const;

/**
 * What becomes of a drop: a session that was `replaced` binds again, because mostly that was itself, with a bind of an earlier line that came
 * late, or twice. The fourth time within a minute somebody else has a copy of the same data and wants it, too: then the drop is a fatal
 * `replaced`, or both would go on for ever. Belongs to one session: it counts.
 */
export const unlessContested = ({ scheduler }: Pick<Clock, 'scheduler'>): ((drop: Drop) => Drop) => {
  let times: readonly number[] = [];
  return (drop) => {
    const { reason } = drop;
    if (reason.kind !== 'suspended' || reason.code !== 'replaced') return drop;
    times = [...times.filter((at) => scheduler.now() - at < often.withinMs), scheduler.now()];
    return times.length > often.most ? ending(new SyncError('replaced', reason.text)) : drop;
  };
};
