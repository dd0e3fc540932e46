import { VirtualAction, VirtualTimeScheduler, type Subscription } from 'rxjs';

interface Placed {
  readonly delay: number;
  readonly index: number;
}

const isBefore = (a: Placed, b: Placed): boolean => a.delay < b.delay || (a.delay === b.delay && a.index < b.index);

/**
 * An action that takes its place among those that wait by halving. RxJS sorts all of them each time, which was a third of the time of a world; the order
 * is the same: of time, and then of who was scheduled first.
 */
class PlacedAction<T> extends VirtualAction<T> {
  override schedule(state?: T, delay = 0): Subscription {
    if (!Number.isFinite(delay) || !this.id) return super.schedule(state, delay);
    // Once more: as in RxJS this one is over, and another takes its place. Theirs would be one that sorts.
    this.active = false;
    const action = new PlacedAction(this.scheduler, this.work);
    this.add(action);
    return action.schedule(state, delay);
  }

  protected override requestAsyncId(scheduler: VirtualTimeScheduler, _id?: unknown, delay = 0): 1 {
    this.delay = scheduler.frame + delay;
    if (scheduler instanceof WorldTime && scheduler.isOver) return 1; // Nothing waits for what never comes.
    const actions = scheduler.actions as readonly unknown[] as Placed[];
    const mine: Placed = this as unknown as Placed;
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

/** Virtual time that can be ended: what waits then, or is scheduled later, never runs. */
export class WorldTime extends VirtualTimeScheduler {
  #isOver = false;

  constructor() {
    super(PlacedAction);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  halt(): void {
    this.#isOver = true;
    this.actions.length = 0;
  }
}

/** Virtual time of a world, in milliseconds, that is played by `flush()`. */
export const createTime = (): WorldTime => new WorldTime();
