import type { Observable } from 'rxjs';
import { type ShallowRef, shallowRef, watch } from 'vue';

/** Returns the present value of a stream. `observe` is tracked. `initial` is the value on a server. */
export const useStream = <T>(observe: () => Observable<T>, initial: T): Readonly<ShallowRef<T>> => {
  const present = shallowRef(initial);
  if (typeof document === 'undefined') return present;
  watch(
    observe,
    (stream$, _, onCleanup) => {
      const subscription = stream$.subscribe((value) => (present.value = value));
      onCleanup(() => subscription.unsubscribe());
    },
    // Synchronous: when the query has changed, there is no moment with the objects of the old one.
    { immediate: true, flush: 'sync' },
  );
  return present;
};
