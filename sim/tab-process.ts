import type { SchedulerAction, SchedulerLike, Subscription } from 'rxjs';
import type { Clock } from '../lib/clock.js';

/**
 * The running code of one tab. While it is frozen none of its timers and events run; they wait in the order in which
 * they came due. Work at the end of an event-loop turn (promises, `runAtEndOfTurn`) cannot be frozen.
 */
export interface TabProcess {
  readonly number: number;
  /** Its timers wait while the tab is frozen, and never run after its end. Its time continues. */
  readonly clock: Clock;
  /** Runs an event of the browser: at once, or after all waiting work of a frozen tab, or never after its end. */
  readonly run: (event: () => void) => void;
  readonly isFrozen: () => boolean;
  readonly isEnded: () => boolean;
  readonly freeze: () => void;
  /** Runs the waiting work, in later event-loop turns. */
  readonly resume: () => void;
  readonly end: () => void;
}

export interface TabProcessOptions extends Clock {
  readonly number: number;
}

export const createTabProcess = ({ number, scheduler, random, now }: TabProcessOptions): TabProcess => {
  let state: 'running' | 'frozen' | 'ended' = 'running';
  let waiting: (() => void)[] = [];

  const runNext = (): void => {
    if (state !== 'running') return;
    const work = waiting.shift();
    if (waiting.length > 0) scheduler.schedule(runNext);
    work?.();
  };
  const run = (work: () => void): void => {
    if (state === 'ended') return;
    if (state === 'frozen' || waiting.length > 0) waiting.push(work);
    else work();
  };
  const freezable: SchedulerLike = {
    now: () => scheduler.now(),
    schedule<S>(work: (this: SchedulerAction<S>, state?: S) => void, delay?: number, given?: S): Subscription {
      const whenRunning = function (this: SchedulerAction<S>, value?: S): void {
        // An action can be cancelled while it waits.
        run(() => {
          if (!this.closed) work.call(this, value);
        });
      };
      return scheduler.schedule(whenRunning, delay, given);
    },
  };
  return {
    number,
    clock: { scheduler: freezable, random, now },
    run,
    isFrozen: () => state === 'frozen',
    isEnded: () => state === 'ended',
    freeze: () => {
      if (state === 'running') state = 'frozen';
    },
    resume: () => {
      if (state !== 'frozen') return;
      state = 'running';
      if (waiting.length > 0) scheduler.schedule(runNext);
    },
    end: () => {
      state = 'ended';
      waiting = [];
    },
  };
};
