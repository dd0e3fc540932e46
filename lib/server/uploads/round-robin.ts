import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';

/** Shares the event loop between all who say something. */
export interface RoundRobin {
  /** Does a piece of work now, or soon. What one key has to do is done in its order; keys take turns. */
  readonly run: (key: object, work: () => void) => void;
}

/**
 * After `turnMsMax` of work without as much rest, work waits for a later turn of the event loop, so that what is ready
 * meanwhile (a disk's answer, another socket) is not held up by all of it. Of what waits, each key has one piece done
 * at a time: one who brings much waits for himself.
 */
export const createRoundRobin = ({ now, scheduler }: Pick<Clock, 'now' | 'scheduler'>): RoundRobin => {
  const { turnMsMax } = limits;
  const queues = new Map<object, (() => void)[]>();
  /** Milliseconds of work, less those of rest after it. */
  let spent = 0;
  let endedAt = now();

  const done = (work: () => void): void => {
    const began = now();
    work();
    endedAt = now();
    spent += Math.max(0, endedAt - began);
  };
  /** The key that waits longest, one piece of it; then it is the last one. */
  const next = (): void => {
    const [first] = queues;
    if (first === undefined) return;
    const [key, queue] = first;
    const work = queue.shift();
    queues.delete(key);
    if (queue.length > 0) queues.set(key, queue);
    if (work) done(work);
  };
  const drain = (): void => {
    spent = 0;
    while (queues.size > 0 && spent < turnMsMax) next();
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
        done(work);
        return;
      }
      if (queues.size === 0) scheduler.schedule(drain);
      const queue = queues.get(key);
      if (queue) queue.push(work);
      else queues.set(key, [work]);
    },
  };
};
