import type { Clock } from '../clock.js';
import type { Drop } from './drop.js';

/** How often within so many milliseconds a session takes its replica back: three times may be lines that are slow to die, four times is somebody else. */
const often = { most: 3, withinMs: 60_000 } as const;

/** Whether a copy of the same data seems to sync at the same time. */
export interface Contest {
  /** Takes note of a drop. */
  readonly dropped: (drop: Drop) => void;
  /** Whether the replica was taken away four times within a minute, and this one has not become another replica since. */
  readonly isContested: () => boolean;
  /** It has become another replica. */
  readonly settled: () => void;
}

/**
 * Counts how often a session was `replaced`. It binds again each time, because mostly it was itself, with a bind of an earlier line that came
 * late, or twice. The fourth time within a minute a copy of the same data wants the replica, too. From then on this one becomes another replica as
 * soon as it has nothing left to upload, because a copy may have that, too; until then the two take turns. Belongs to one session.
 */
export const createContest = ({ scheduler }: Pick<Clock, 'scheduler'>): Contest => {
  let times: readonly number[] = [];
  let contested = false;
  return {
    dropped: ({ reason }) => {
      if (reason.kind !== 'suspended' || reason.code !== 'replaced') return;
      times = [...times.filter((at) => scheduler.now() - at < often.withinMs), scheduler.now()];
      contested ||= times.length > often.most;
    },
    isContested: () => contested,
    settled: () => {
      times = [];
      contested = false;
    },
  };
};
