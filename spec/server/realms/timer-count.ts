import { type Subscription, VirtualTimeScheduler, type SchedulerLike } from 'rxjs';
import { systemClock, type Clock } from '../../../lib/clock.js';

/** A clock in virtual time that counts the timers that wait. */
export interface CountingClock {
  readonly clock: Clock;
  readonly timers: () => number;
  /** Lets time pass, in milliseconds. */
  readonly pass: (ms: number) => void;
}

export const createCountingClock = (): CountingClock => {
  const virtual = new VirtualTimeScheduler();
  const waiting = new Set<Subscription>();
  const scheduler: SchedulerLike = {
    now: () => virtual.now(),
    schedule: (work, delay, state) => {
      const timer = virtual.schedule(
        function (given) {
          waiting.delete(timer);
          Reflect.apply(work, this, [given]);
        },
        delay,
        state,
      );
      waiting.add(timer);
      timer.add(() => waiting.delete(timer));
      return timer;
    },
  };
  return {
    clock: { ...systemClock, scheduler, now: () => Date.UTC(2030, 0) + virtual.now() },
    timers: () => waiting.size,
    pass: (ms) => {
      virtual.maxFrames = virtual.frame + ms;
      virtual.flush();
    },
  };
};
