import type { SchedulerAction, SchedulerLike, Subscription } from 'rxjs';
import type { Clock } from '../lib/clock.js';

/**
 * The time and chance of one process: it may be wrong, it may jump, and when the process is killed nothing of it ever
 * runs again.
 */
export interface KillableClock {
  readonly clock: Clock;
  readonly isDead: () => boolean;
  readonly kill: () => void;
  /** Puts its clock forward or back. */
  readonly jump: (ms: number) => void;
}

export interface KillableClockOptions {
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /** Milliseconds since the epoch at virtual time 0, by this clock. */
  readonly epoch: number;
  /** Milliseconds that it gains in a second. */
  readonly drift: number;
}

export const createKillableClock = ({ scheduler, random, epoch, drift }: KillableClockOptions): KillableClock => {
  let dead = false;
  let jumped = 0;
  const mine: SchedulerLike = {
    now: () => scheduler.now(),
    schedule<S>(work: (this: SchedulerAction<S>, state?: S) => void, delay?: number, state?: S): Subscription {
      const unlessDead = function (this: SchedulerAction<S>, given?: S): void {
        if (!dead) work.call(this, given);
      };
      return scheduler.schedule(unlessDead, delay, state);
    },
  };
  return {
    clock: {
      scheduler: mine,
      random,
      now: () => Math.round(epoch + scheduler.now() * (1 + drift / 1_000)) + jumped,
    },
    isDead: () => dead,
    kill: () => {
      dead = true;
    },
    jump: (ms) => {
      jumped += ms;
    },
  };
};
