import { interval, Subscription } from 'rxjs';
import type { Clock } from '../../clock.js';
import { observe } from '../../model/operators.js';

/** Milliseconds between two looks at the leader: then it is pinged, unless a ping is unanswered. */
const lookMs = 250;
/**
 * Milliseconds after which a leader that does not answer a ping is replaced. With the wait before the ping and the time
 * to open the storage this is less than a second. A shorter limit would replace leaders that only compute for a while.
 */
const silentMs = 500;

/** Watches whether the leader answers. Only visible followers do, because hidden pages have slow timers. */
export class TabWatch {
  #running = Subscription.EMPTY;
  /** Time of the ping that is not answered; `null`: none. */
  #pingedAt: number | null = null;

  constructor(
    private readonly clock: Pick<Clock, 'scheduler'>,
    private readonly ping: () => void,
    private readonly onSilent: () => void,
  ) {}

  /** A sign of life of the leader. */
  hear(): void {
    this.#pingedAt = null;
  }

  start(): void {
    const { scheduler } = this.clock;
    this.stop();
    let lookedAt = scheduler.now();
    this.#running = observe(interval(lookMs, scheduler), () => {
      const now = scheduler.now();
      // A page that was busy or frozen itself reads the answer after this. The clock may also have been set.
      if (Math.abs(now - lookedAt) > 2 * lookMs) this.#pingedAt = null;
      lookedAt = now;
      if (this.#pingedAt === null) {
        this.#pingedAt = now;
        this.ping();
      } else if (now - this.#pingedAt >= silentMs) {
        this.#pingedAt = null;
        this.onSilent();
      }
    });
  }

  stop(): void {
    this.#running.unsubscribe();
    this.#pingedAt = null;
  }
}
