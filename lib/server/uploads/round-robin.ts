import type { Clock } from '../../clock.js';
import { serverLimits } from '../server-limits.js';

/** Shares the event loop fairly between users. */
export interface RoundRobin {
  /** Runs a piece of work now or soon. Work of one key keeps its order; keys take turns. */
  readonly run: (key: object, work: () => void) => void;
}

/**
 * Creates a scheduler that defers work to a later event-loop turn after `turnMsMax` of work without as much rest.
 * Answers of the disk and other sockets are served in between. Each key runs one waiting piece at a time, so a user who
 * sends much waits longest.
 */
export const createRoundRobin = ({ now, scheduler }: Pick<Clock, 'now' | 'scheduler'>): RoundRobin => {
  const { turnMsMax } = serverLimits;
  const queues = new Map<object, (() => void)[]>();
  /** Milliseconds of work, less the rest after it. */
  let spent = 0;
  let endedAt = now();

  const runTimed = (work: () => void): void => {
    const began = now();
    work();
    endedAt = now();
    spent += Math.max(0, endedAt - began);
  };
  /** Runs one piece of the key that has waited longest, and moves the key to the end. */
  const runNext = (): void => {
    const [first] = queues;
    if (first === undefined) return;
    const [key, queue] = first;
    const work = queue.shift();
    queues.delete(key);
    if (queue.length > 0) queues.set(key, queue);
    if (work) runTimed(work);
  };
  const drain = (): void => {
    spent = 0;
    while (queues.size > 0 && spent < turnMsMax) runNext();
    if (queues.size > 0) scheduler.schedule(drain);
  };
  const isFree = (): boolean => {
    if (queues.size > 0) return false;
    const time = now();
    spent = Math.max(0, spent - Math.max(0, time - endedAt));
    endedAt = time;
    return spent < turnMsMax;
  };

  return {
    run: (key, work) => {
      if (isFree()) {
        runTimed(work);
        return;
      }
      if (queues.size === 0) scheduler.schedule(drain);
      const queue = queues.get(key);
      if (queue) queue.push(work);
      else queues.set(key, [work]);
    },
  };
};
