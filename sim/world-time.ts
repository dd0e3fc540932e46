import { asapScheduler, VirtualAction, VirtualTimeScheduler, type Subscription } from 'rxjs';

/** What is left for the end of a turn, as RxJS keeps it: its types do not say so. */
const asapQueue = asapScheduler as unknown as { readonly actions: readonly unknown[]; readonly flush: () => void };

/** Runs what was left for the end of a turn, and what that leaves. */
const flushAsapQueue = (): void => {
  while (asapQueue.actions.length > 0) asapQueue.flush();
};

interface ScheduledAction {
  readonly delay: number;
  readonly index: number;
}

const isBefore = (a: ScheduledAction, b: ScheduledAction): boolean =>
  a.delay < b.delay || (a.delay === b.delay && a.index < b.index);

/**
 * An action that takes its place among those that wait by halving. RxJS sorts all of them each time, which was a third
 * of the time of a world; the order is the same: of time, and then of who was scheduled first.
 */
class SortedAction<T> extends VirtualAction<T> {
  override schedule(state?: T, delay = 0): Subscription {
    if (!Number.isFinite(delay) || !this.id) return super.schedule(state, delay);
    // Once more: as in RxJS this one is over, and another takes its place. Theirs would be one that sorts.
    this.active = false;
    const action = new SortedAction(this.scheduler, this.work);
    this.add(action);
    return action.schedule(state, delay);
  }

  protected override requestAsyncId(scheduler: VirtualTimeScheduler, _id?: unknown, delay = 0): 1 {
    this.delay = scheduler.frame + delay;
    if (scheduler instanceof WorldTime && scheduler.isOver) return 1; // Nothing waits for what never comes.
    const actions = scheduler.actions as readonly unknown[] as ScheduledAction[];
    const mine: ScheduledAction = this as unknown as ScheduledAction;
    let [from, to] = [0, actions.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (isBefore(mine, actions[middle]!)) to = middle;
      else from = middle + 1;
    }
    actions.splice(from, 0, mine);
    return 1;
  }
}

/**
 * Virtual time that can be ended: what waits then, or is scheduled later, never runs. It can stand still, too, and then
 * goes on with the next `flush()`. Between two actions a turn of the event loop is over: what waits for that is run.
 */
export class WorldTime extends VirtualTimeScheduler {
  #isOver = false;
  #standsStill = false;

  constructor() {
    super(SortedAction);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  halt(): void {
    this.#isOver = true;
    this.actions.length = 0;
  }

  pause(): void {
    this.#standsStill = true;
  }

  override flush(): void {
    this.#standsStill = false;
    const { actions } = this;
    const next = (): (typeof actions)[number] | null => {
      const [first] = actions;
      return first === undefined || first.delay > this.maxFrames || this.#standsStill ? null : first;
    };
    for (let action = next(); action !== null; action = next()) {
      actions.shift();
      this.frame = action.delay;
      const failed = action.execute(action.state, action.delay) as Error | undefined;
      if (failed !== undefined) {
        for (const each of actions.splice(0)) each.unsubscribe();
        throw failed;
      }
      flushAsapQueue();
    }
  }
}

/** Virtual time of a world, in milliseconds, that is played by `flush()`. */
export const createWorldTime = (): WorldTime => new WorldTime();
