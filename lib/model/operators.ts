import {
  filter,
  type MonoTypeOperatorFunction,
  Observable,
  repeat,
  type SchedulerLike,
  type Subscription,
  timer,
} from 'rxjs';

/**
 * Runs an action when the stream is subscribed. The stream emits nothing and completes, or errors if `action` throws.
 */
export const runAction = (action: () => void): Observable<never> =>
  new Observable((subscriber) => {
    action();
    subscriber.complete();
  });

/** Subscribes to a stream that never errors. An error would be a defect, which is thrown in a later turn. */
export const observe = <A>(source$: Observable<A>, next: (value: A) => void): Subscription =>
  source$.subscribe({
    next,
    error: (thrown: unknown) => {
      throw thrown;
    },
  });

/** Runs work to its end, with or without anyone who waits for it. Ignores an error, unless `onError` is given. */
export const runToItsEnd = (
  work$: Observable<unknown>,
  onDone: () => void = () => undefined,
  onError: (thrown: unknown) => void = () => undefined,
): void => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- what this is for
  work$.subscribe({ error: onError, complete: onDone });
};

/**
 * Subscribes to the source again, in a later event-loop turn, each time it completes and `predicate` then returns true.
 * Otherwise completes.
 */
export const repeatWhile = <A>(predicate: () => boolean, scheduler: SchedulerLike): MonoTypeOperatorFunction<A> =>
  // A notifier of `repeat` that completes without a value ends the repetition.
  repeat({ delay: () => timer(0, scheduler).pipe(filter(predicate)) });
