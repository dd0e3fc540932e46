import type { Clock } from '../../clock.js';
import type { Disconnect } from '../connection/disconnect.js';

/**
 * Takeovers of a replica within a time, in milliseconds, that may be stale connections.
 *
 * Up to three takeovers a minute can be stale connections. A fourth means that another device uses the same replica.
 */
const replacedLimits = { most: 3, withinMs: 60_000 } as const;

/** Detects that a copy of the same data syncs at the same time. */
export interface ReplacedLimit {
  readonly recordDisconnect: (disconnect: Disconnect) => void;
  /**
   * Whether the replica was taken over four times within a minute, and this realm has kept its replica id since then.
   */
  readonly isExceeded: () => boolean;
  /** Called when the realm has become another replica. */
  readonly reset: () => void;
}

/**
 * Counts the `replaced` errors of a session.
 *
 * The session binds again after each of them, because most come from its own late or repeated bind on an earlier
 * connection. A fourth one within a minute means that a copy of the same data uses the replica, too. Then this realm
 * becomes another replica as soon as its outbox is empty. Before that it must not, because the copy may have the same
 * unsent changes; until then the two take turns. Belongs to one session.
 */
export const createReplacedLimit = ({ scheduler }: Pick<Clock, 'scheduler'>): ReplacedLimit => {
  let times: readonly number[] = [];
  let isExceeded = false;
  return {
    recordDisconnect: ({ reason }) => {
      if (reason.kind !== 'suspended' || reason.code !== 'replaced') return;
      times = [...times.filter((at) => scheduler.now() - at < replacedLimits.withinMs), scheduler.now()];
      isExceeded ||= times.length > replacedLimits.most;
    },
    isExceeded: () => isExceeded,
    reset: () => {
      times = [];
      isExceeded = false;
    },
  };
};
