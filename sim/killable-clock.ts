import type { SchedulerAction, SchedulerLike, Subscription } from 'rxjs';
import type { Clock } from '../lib/clock.js';

/** The clock and random numbers of one process. The clock may drift or jump. After a kill no scheduled work runs. */
export interface KillableClock {
  readonly clock: Clock;
  readonly isDead: () => boolean;
  readonly kill: () => void;
  /** Moves the clock forward or back. */
  readonly jump: (ms: number) => void;
}

export interface KillableClockOptions {
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /** Milliseconds since the epoch at virtual time 0, by this clock. */
  readonly epoch: number;
  /** Milliseconds that the clock gains in a second. */
  readonly drift: number;
}

export const createKillableClock = ({ scheduler, random, epoch, drift }: KillableClockOptions): KillableClock => {
  let isKilled = false;
  let jumped = 0;
  const killableScheduler: SchedulerLike = {
    now: () => scheduler.now(),
    schedule<S>(work: (this: SchedulerAction<S>, state?: S) => void, delay?: number, state?: S): Subscription {
      const unlessDead = function (this: SchedulerAction<S>, given?: S): void {
        if (!isKilled) work.call(this, given);
      };
      return scheduler.schedule(unlessDead, delay, state);
    },
  };
  return {
    clock: {
      scheduler: killableScheduler,
      random,
      now: () => Math.round(epoch + scheduler.now() * (1 + drift / 1_000)) + jumped,
    },
    isDead: () => isKilled,
    kill: () => {
      isKilled = true;
    },
    jump: (ms) => {
      jumped += ms;
    },
  };
};
