import { VirtualTimeScheduler } from 'rxjs';
import { nextTurn } from './test-kit.js';

/** Milliseconds since the epoch at the start. */
const epoch = Date.UTC(2026, 0, 1);

/**
 * Creates time for specs with promises: a millisecond passes with each event-loop turn, and only while a spec waits.
 * `ahead` moves its clock forward.
 */
export const createPassingTime = () => {
  const scheduler = new VirtualTimeScheduler();
  let at = 0;
  let jumped = 0;
  const pass = (): void => {
    scheduler.maxFrames = at += 1;
    scheduler.flush();
  };
  return {
    clock: { scheduler, now: () => epoch + at + jumped, random: Math.random },
    jumpMs: (ms: number): void => {
      jumped += ms;
    },
    /** Waits, with a bound. */
    until: async <A>(promise: Promise<A>, msMax = 60_000): Promise<A> => {
      const stackError = new Error('waited for what is awaited here'); // The error has the stack of the caller.
      const wait = { isOver: false, last: at + msMax };
      const over = (): void => {
        wait.isOver = true;
      };
      promise.then(over, over);
      while (!wait.isOver) {
        if (at >= wait.last) {
          stackError.message = `waited ${msMax} ms of virtual time for what is awaited here`;
          throw stackError;
        }
        pass();
        await nextTurn();
      }
      return promise;
    },
  };
};
