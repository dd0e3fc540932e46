import { type DependencyList, useMemo, useSyncExternalStore } from 'react';
import { defer, type Observable, of, ReplaySubject, share, timer } from 'rxjs';

/** Returns the present value of a stream that emits on subscription. `initial` is the value on a server. */
export const useStream = <T>(observe: () => Observable<T>, initial: T, deps: DependencyList): T => {
  const [subscribe, read] = useMemo(() => {
    let isMounted = false;
    // React reads before it subscribes. The subscription of a render that it abandons ends after a second.
    const resetOnRefCountZero = () => (isMounted ? of(null) : timer(1_000));
    const connector = () => new ReplaySubject<T>(1);
    const shared$ = defer(observe).pipe(share({ connector, resetOnComplete: false, resetOnRefCountZero }));
    const subscribe = (onChange: () => void) => {
      const next = () => isMounted && onChange(); // Not for the first value, which React reads itself.
      const subscription = shared$.subscribe({ next, error: next });
      isMounted = true;
      subscription.add(() => (isMounted = false));
      return () => subscription.unsubscribe();
    };
    const read = () => {
      let value = initial;
      const errors: unknown[] = [];
      shared$.subscribe({ next: (present) => (value = present), error: (error) => errors.push(error) }).unsubscribe();
      for (const error of errors) throw error;
      return value;
    };
    return [subscribe, read];
  }, deps);
  return useSyncExternalStore(subscribe, read, () => initial);
};
