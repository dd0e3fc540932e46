import type { SchedulerLike, Subscription } from 'rxjs';

/** Items that become due a fixed time after they were put. */
export interface DelayQueue<Item> {
  /** Puts an item. An item that waits already starts to wait again. */
  readonly put: (item: Item) => void;
  readonly remove: (item: Item) => void;
}

export interface DelayQueueOptions<Item> {
  readonly scheduler: SchedulerLike;
  readonly delayMs: number;
  /** Called with each item when it is due. The item has left the queue. */
  readonly onDue: (item: Item) => void;
}

/**
 * Creates a queue of items that all wait equally long. One timer serves all of them: a server has a queue for ten
 * thousand realms, where a timer of each would cost half a kilobyte. Without items there is no timer.
 */
export const createDelayQueue = <Item>({ scheduler, delayMs, onDue }: DelayQueueOptions<Item>): DelayQueue<Item> => {
  const times = new Map<Item, number>(); // In the order of the times, because each item waits equally long.
  let timer: Subscription | null = null;

  const startTimer = (): void => {
    if (timer !== null) return;
    for (const first of times.values()) {
      timer = scheduler.schedule(() => runDue(first), Math.max(0, first - scheduler.now()));
      return;
    }
  };
  /** Timers may fire a little early, so that `time` counts and not the clock alone. */
  const runDue = (time: number): void => {
    const now = Math.max(time, scheduler.now());
    for (const [item, at] of times) {
      if (at > now) break;
      times.delete(item);
      onDue(item);
    }
    timer = null;
    startTimer();
  };

  return {
    put: (item) => {
      times.delete(item);
      times.set(item, scheduler.now() + delayMs);
      startTimer();
    },
    remove: (item) => {
      times.delete(item);
      if (times.size > 0) return;
      timer?.unsubscribe();
      timer = null;
    },
  };
};
