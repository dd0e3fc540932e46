import { asapScheduler, asyncScheduler, type Observable, scheduled, type SchedulerLike, switchMap, timer } from 'rxjs';

/**
 * The one source of time and chance. Whatever waits, tells the time or draws lots is given a `Clock`, so that every
 * behaviour can be run in virtual time and replayed from a seed. No other file may touch a timer, `Date` or
 * `Math.random` (`spec/architecture.spec.ts`).
 */
export interface Clock {
  /**
   * Where every wait is scheduled. Its `now` measures elapsed time: it must not jump when the device's clock is set.
   */
  readonly scheduler: SchedulerLike;
  /** A number in [0, 1). */
  readonly random: () => number;
  /** Milliseconds since the epoch, by this device; it may be wrong and may jump. */
  readonly now: () => number;
}

/** `asyncScheduler` tells the wall clock's time, which may be put back or ahead in the middle of a wait. */
const elapsedScheduler: SchedulerLike = {
  now: () => performance.now(),
  schedule: (...all: Parameters<SchedulerLike['schedule']>) => asyncScheduler.schedule(...all),
};

/** The machine's own time and chance. */
export const systemClock: Clock = {
  scheduler: elapsedScheduler,
  random: () => Math.random(),
  now: () => Date.now(),
};

/**
 * Emits once and completes when the present turn is over: what runs now has run, and no timer or event has come yet. In
 * `TestScheduler.run` it is over in the same frame.
 */
export const endOfTurn$: Observable<unknown> = scheduled([undefined], asapScheduler);

/**
 * Returns what goes on with long work: at once, or in a later turn of the event loop when so many milliseconds have
 * passed since it last did, so that what else is ready comes first. In virtual time, which stands still meanwhile, at
 * once.
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

/** A name nobody else has drawn: 20 letters and digits, 119 bits. */
export const createRandomId = ({ random }: Pick<Clock, 'random'>): string =>
  Array.from({ length: 20 }, () => alphabet.charAt(Math.floor(random() * alphabet.length))).join('');
