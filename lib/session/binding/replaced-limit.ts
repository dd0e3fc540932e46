import type { Clock } from '../../clock.js';
import type { Disconnect } from '../connection/disconnect.js';

/**
 * How often within so many milliseconds a session takes its replica back: three times may be lines that are slow to
 * die, four times is somebody else.
 */
const replacedLimits = { most: 3, withinMs: 60_000 } as const;

/** Whether a copy of the same data seems to sync at the same time. */
export interface ReplacedLimit {
  /** Takes note of a drop. */
  readonly recordDisconnect: (disconnect: Disconnect) => void;
  /**
   * Whether the replica was taken away four times within a minute, and this one has not become another replica since.
   */
  readonly isExceeded: () => boolean;
  /** It has become another replica. */
  readonly reset: () => void;
}

/**
 * Counts how often a session was `replaced`. It binds again each time, because mostly it was itself, with a bind of an
 * earlier line that came late, or twice. The fourth time within a minute a copy of the same data wants the replica,
 * too. From then on this one becomes another replica as soon as it has nothing left to upload, because a copy may have
 * that, too; until then the two take turns. Belongs to one session.
 */
export const createReplacedLimit = ({ scheduler }: Pick<Clock, 'scheduler'>): ReplacedLimit => {
  let times: readonly number[] = [];
  let contested = false;
  return {
    recordDisconnect: ({ reason }) => {
      if (reason.kind !== 'suspended' || reason.code !== 'replaced') return;
      times = [...times.filter((at) => scheduler.now() - at < replacedLimits.withinMs), scheduler.now()];
      contested ||= times.length > replacedLimits.most;
    },
    isExceeded: () => contested,
    reset: () => {
      times = [];
      contested = false;
    },
  };
};
