import { Subscription, timer } from 'rxjs';
import type { Clock } from '../../clock.js';
import { observe } from '../../model/operators.js';
import type { TabPlatform } from '../../storage/tab-platform.js';
import { leadLock } from './tab-names.js';

/** Milliseconds that a leader which has stopped keeps the lock for the tab that claimed it. */
const yieldMs = 500;

/** The lock of the leader, as one tab requests and holds it. An edge: it is subscribed until it is released. */
export class LeadLock {
  #request = Subscription.EMPTY;

  constructor(
    private readonly platform: Pick<TabPlatform, 'lock'>,
    private readonly clock: Pick<Clock, 'scheduler'>,
    private readonly onHeld: () => void,
    /** Is called when another tab has stolen the lock. */
    private readonly onLost: () => void,
  ) {}

  /** Whether the lock is neither held nor requested. */
  isReleased(): boolean {
    return this.#request.closed;
  }

  /** Requests the lock again, in another way. */
  request(how: 'wait' | 'steal'): void {
    this.release();
    const request = (this.#request = new Subscription());
    request.add(
      this.platform.lock(leadLock, how).subscribe({
        next: this.onHeld,
        error: () => {
          if (request.closed) return;
          request.unsubscribe();
          this.onLost();
        },
      }),
    );
  }

  /** Releases the lock, or withdraws the request, at once. */
  release(): void {
    this.#request.unsubscribe();
  }

  /** Keeps the lock for the tab that claimed it. Releases it after a while if that tab has not taken it. */
  releaseLater(onReleased: () => void): void {
    const release = (): void => {
      this.release();
      onReleased();
    };
    if (this.isReleased()) onReleased();
    else this.#request.add(observe(timer(yieldMs, this.clock.scheduler), release));
  }
}
