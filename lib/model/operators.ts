import { filter, Observable, repeat, timer, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs';

/**
 * Runs an action when the stream is subscribed. The stream emits nothing and completes, or errors if `action` throws.
 */
export const runAction = (action: () => void): Observable<never> =>
  new Observable((subscriber) => {
    action();
    subscriber.complete();
  });

/**
 * Subscribes to the source again, in a later event-loop turn, each time it completes and `predicate` then returns true.
 * Otherwise completes.
 */
export const repeatWhile = <A>(predicate: () => boolean, scheduler: SchedulerLike): MonoTypeOperatorFunction<A> =>
  // A notifier of `repeat` that completes without a value ends the repetition.
  repeat({ delay: () => timer(0, scheduler).pipe(filter(predicate)) });
