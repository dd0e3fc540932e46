import type { Clock } from '../../clock.js';
import type { Disconnect } from '../connection/disconnect.js';

/**
 * Takeovers of a replica within a time, in milliseconds, that may be stale connections.
 *
 * Up to three takeovers a minute can be stale connections. A fourth means that another device uses the same replica.
 */
const replacedLimits = { most: 3, withinMs: 60_000 } as const;

const noTimes: readonly number[] = [];

/**
 * Counts the `replaced` errors of a session.
 *
 * The session binds again after each of them, because most come from its own late or repeated bind on an earlier
 * connection. A fourth one within a minute means that a copy of the same data uses the replica, too. Then this realm
 * becomes another replica as soon as its outbox is empty. Before that it must not, because the copy may have the same
 * unsent changes; until then the two take turns. Belongs to one session.
 */
export class ReplacedLimit {
  #times: readonly number[] = noTimes;
  #isExceeded = false;

  constructor(private readonly clock: Pick<Clock, 'scheduler'>) {}

  recordDisconnect({ reason }: Disconnect): void {
    if (reason.kind !== 'suspended' || reason.code !== 'replaced') return;
    const now = this.clock.scheduler.now();
    const times = [...this.#times.filter((at) => now - at < replacedLimits.withinMs), now];
    this.#times = times;
    this.#isExceeded ||= times.length > replacedLimits.most;
  }

  /**
   * Whether the replica was taken over four times within a minute, and this realm has kept its replica id since then.
   */
  isExceeded(): boolean {
    return this.#isExceeded;
  }

  /** Called when the realm has become another replica. */
  reset(): void {
    this.#times = noTimes;
    this.#isExceeded = false;
  }
}
