import { firstValueFrom, observable, type Observable } from 'rxjs';

/**
 * A promise of the first value of something that is under way, and that stream for whoever can take it as one: RxJS
 * asks what it is given for its stream first (`Symbol.observable`). So `from(realm.write(…))` emits in the very moment
 * in which the write is durable, not in a microtask later, and a whole app runs in virtual time, where there are none.
 *
 * `outcome$` may be subscribed to again: it replays.
 */
export const promiseOf = <R>(outcome$: Observable<R>): Promise<R> => {
  const promise = firstValueFrom(outcome$);
  const asStream = (): Observable<R> => {
    promise.catch(() => undefined); // Whoever takes the stream is told there.
    return outcome$;
  };
  return Object.assign(promise, { [observable]: asStream });
};
