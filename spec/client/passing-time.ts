import { VirtualTimeScheduler } from 'rxjs';
import { nextTurn } from './test-kit.js';

/** Milliseconds since the epoch at which it begins. */
const epoch = Date.UTC(2026, 0, 1);

/**
 * Time for specs with promises: a millisecond passes with each turn of the event loop, and only while somebody waits.
 * `ahead` puts its clock forward.
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
    ahead: (ms: number): void => {
      jumped += ms;
    },
    /** Waits, and not for ever. */
    until: async <A>(promise: Promise<A>, msMax = 60_000): Promise<A> => {
      const here = new Error('waited for what is awaited here'); // With the stack of its caller.
      const wait = { isOver: false, last: at + msMax };
      const over = (): void => {
        wait.isOver = true;
      };
      promise.then(over, over);
      while (!wait.isOver) {
        if (at >= wait.last) {
          here.message = `waited ${msMax} ms of virtual time for what is awaited here`;
          throw here;
        }
        pass();
        await nextTurn();
      }
      return promise;
    },
  };
};
