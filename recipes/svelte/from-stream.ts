import type { Observable } from 'rxjs';
import { createSubscriber } from 'svelte/reactivity';

/** Returns the present value of a stream as `current`. `initial` is the value on a server. */
export const fromStream = <T>(stream$: Observable<T>, initial: T): { readonly current: T } => {
  let value = initial;
  let isFollowed = false;
  const follow = createSubscriber((update) => {
    const subscription = stream$.subscribe((next) => {
      value = next;
      if (isFollowed) update();
    });
    isFollowed = true;
    return () => {
      isFollowed = false;
      subscription.unsubscribe();
    };
  });
  return {
    get current() {
      follow();
      // A read outside of an effect, such as in an event handler.
      if (!isFollowed && typeof document !== 'undefined') stream$.subscribe((next) => (value = next)).unsubscribe();
      return value;
    },
  };
};
