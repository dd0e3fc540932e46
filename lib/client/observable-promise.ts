import { firstValueFrom, observable, type Observable } from 'rxjs';

/**
 * Returns a promise of the first value of a stream that already runs. RxJS can also read the promise as that stream,
 * because it looks for `Symbol.observable` first.
 *
 * So `from(realm.write(…))` emits synchronously when the write is durable, not one microtask later. A whole app can run
 * in virtual time, where microtasks do not run.
 *
 * @param outcome$ - Replays its value: it may be subscribed to more than once.
 */
export const promiseOf = <R>(outcome$: Observable<R>): Promise<R> => {
  const promise = firstValueFrom(outcome$);
  const asStream = (): Observable<R> => {
    promise.catch(() => undefined); // The subscriber of the stream receives the error.
    return outcome$;
  };
  return Object.assign(promise, { [observable]: asStream });
};
