import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import type { Clock } from '../clock.js';

export interface MarbleHelpers extends RunHelpers {
  readonly scheduler: TestScheduler;
  /** Virtual time, and chance that always draws 0 (so that nothing is shortened at random) until a spec overrides it. */
  readonly clock: Clock;
}

/** Longest virtual time of one marble test, in frames of a millisecond: eight hours, so that an endless retry ends. */
const framesMax = 8 * 60 * 60 * 1000;

/**
 * A marble test for Jest and every runner that knows a global `expect` with `toEqual`: one frame is one virtual
 * millisecond, and virtual time is bounded, because `TestScheduler.run` allows endless time and a heartbeat that nobody
 * stops would take it.
 */
export const marbles =
  (test: (helpers: MarbleHelpers) => void): (() => void) =>
  () => {
    const { expect } = globalThis as unknown as { expect: (actual: unknown) => { toEqual(expected: unknown): void } };
    const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    const clock: Clock = { scheduler, random: () => 0, now: () => scheduler.now() };
    scheduler.run((helpers) => {
      scheduler.maxFrames = framesMax;
      test({ ...helpers, scheduler, clock });
    });
  };
