import { jest } from '@jest/globals';
import type { ExampleTime } from './example-world.js';

/** Waits until the work that is ready has run. Virtual time does not pass. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
};

const pass = (): Promise<never> => Promise.reject(new Error('A page that runs in real time has no steps in time.'));

/** The time of this machine, for pages with real sockets. */
export const realTime: ExampleTime = { settle, pass, end: () => undefined };

/** Replaces the time of this process until `end` is called. Time then passes only in `pass`. */
export const startVirtualTime = (): ExampleTime => {
  jest.useFakeTimers({
    now: Date.UTC(2026, 4, 1, 8),
    doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask'],
  });
  return { settle, pass: (ms) => jest.advanceTimersByTimeAsync(ms), end: () => void jest.useRealTimers() };
};
