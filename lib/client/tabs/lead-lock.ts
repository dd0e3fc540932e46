import { Subscription } from 'rxjs';
import type { TabPlatform } from '../../storage/tab-platform.js';
import { leadLock } from './tab-names.js';

/** The lock of the leader, as one tab requests and holds it. An edge: it is subscribed until it is released. */
export class LeadLock {
  #request = Subscription.EMPTY;

  constructor(
    private readonly platform: Pick<TabPlatform, 'lock'>,
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

  /** Returns a function that releases the lock, unless it was released and requested again meanwhile. */
  releaseLater(): () => boolean {
    const request = this.#request;
    return () => {
      const isHeld = this.#request === request && !request.closed;
      if (isHeld) this.release();
      return isHeld;
    };
  }
}
