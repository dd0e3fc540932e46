import { asapScheduler, asyncScheduler, type Observable, scheduled, type SchedulerLike, switchMap, timer } from 'rxjs';

/**
 * The only source of time and randomness. All code that waits, reads the time or needs random numbers gets a `Clock`,
 * so that its behaviour can run in virtual time and be replayed from a seed. No other file may use a timer, `Date` or
 * `Math.random` (`spec/architecture.spec.ts`).
 *
 * @example
 * ```ts
 * const clock: Clock = { ...systemClock, random: () => 0.5 };
 * ```
 *
 * @see {@link systemClock} for the default.
 */
export interface Clock {
  /** The scheduler of all waits. Its `now` measures elapsed time: it must not jump when the device's clock is set. */
  readonly scheduler: SchedulerLike;
  /**
   * Draws a random number.
   *
   * @returns A number in [0, 1).
   */
  readonly random: () => number;
  /**
   * Reads the clock of this device, which may be wrong and may jump.
   *
   * @returns Milliseconds since the epoch.
   */
  readonly now: () => number;
}

/**
 * Schedules with elapsed time. `asyncScheduler.now` is the wall clock, which may be set back or forward during a wait.
 */
const elapsedScheduler: SchedulerLike = {
  now: () => performance.now(),
  schedule: (...all: Parameters<SchedulerLike['schedule']>) => asyncScheduler.schedule(...all),
};

/**
 * The time and randomness of this machine. Used where the app gives no other clock.
 *
 * @example
 * ```ts
 * const startedAt = systemClock.now();
 * ```
 */
export const systemClock: Clock = {
  scheduler: elapsedScheduler,
  random: () => Math.random(),
  now: () => Date.now(),
};

/**
 * Emits once and completes at the end of the current event-loop turn: running code has finished, and no timer or event
 * has fired yet. In `TestScheduler.run` this is within the same frame.
 */
export const endOfTurn$: Observable<unknown> = scheduled([undefined], asapScheduler);

/**
 * Returns a function that runs an action at the end of the current event-loop turn, as `endOfTurn$`, once for all of
 * its calls in that turn.
 */
export const runAtEndOfTurn = (action: () => void): (() => void) => {
  let isScheduled = false;
  return () => {
    if (isScheduled) return;
    isScheduled = true;
    asapScheduler.schedule(() => {
      isScheduled = false;
      action();
    });
  };
};

/**
 * Returns a function that continues long work. It continues at once, or in a later event-loop turn when this many
 * milliseconds have passed since the last such turn, so that other ready work runs first. Virtual time does not advance
 * during work, so that the function then always continues at once.
 */
export const createYielder = (
  { scheduler }: Pick<Clock, 'scheduler'>,
  ms: number,
): (<A>(then: () => Observable<A>) => Observable<A>) => {
  let since = scheduler.now();
  return (then) =>
    scheduler.now() - since < ms
      ? then()
      : timer(0, scheduler).pipe(
          switchMap(() => {
            since = scheduler.now();
            return then();
          }),
        );
};

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Returns a unique random id: 20 letters and digits, 119 bits. */
export const createRandomId = ({ random }: Pick<Clock, 'random'>): string =>
  Array.from({ length: 20 }, () => alphabet.charAt(Math.floor(random() * alphabet.length))).join('');
