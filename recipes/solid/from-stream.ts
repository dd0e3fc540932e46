import type { Observable } from 'rxjs';
import { type Accessor, createMemo, from, untrack } from 'solid-js';
import { isServer } from 'solid-js/web';

/** Returns the present value of a stream. `observe` is tracked. `initial` is the value on a server. */
export const fromStream = <T>(observe: () => Observable<T>, initial: T): Accessor<T> => {
  if (isServer) return () => initial;
  const present = createMemo(() => {
    const stream$ = observe();
    return untrack(() => from(stream$, initial)); // Unsubscribes when the query changes, and with the component.
  });
  return () => present()();
};
