import { computed, DestroyRef, type Signal, signal, untracked } from '@angular/core';
import { type Observable, Subscription } from 'rxjs';
import type { Realm, Schema } from 'tidemark';
import { type InjectRealmOptions, injectContext } from './inject-realm.js';
import { type ResourceState, toError } from './resource-state.js';

/**
 * Follows a stream of a realm for as long as the injector lives. Subscribes when the signal is first read, and again
 * when a signal changes that `observe` reads. A stream that emits on subscription therefore has its value in the same
 * read, without an effect and without a moment in which the old value of another query is seen.
 *
 * @param empty - The value until the realm is open.
 */
export const injectLiveValue = <S extends Schema, Value>(
  caller: (...values: never[]) => unknown,
  options: InjectRealmOptions<S>,
  empty: Value,
  observe: (realm: Realm<S>) => Observable<Value>,
): Signal<ResourceState<Value>> => {
  const { injector, ref } = injectContext(caller, options);
  let subscription = new Subscription();
  injector.get(DestroyRef).onDestroy(() => subscription.unsubscribe());

  const follow = (source: Observable<Value>): Signal<ResourceState<Value>> => {
    const state = signal<ResourceState<Value>>({ status: 'loading', value: empty });
    const isDestroyed = subscription.closed;
    subscription.unsubscribe();
    if (isDestroyed) return state;
    subscription = source.subscribe({
      next: (value) => state.set({ status: 'resolved', value }),
      error: (thrown: unknown) => state.set(failed(thrown)),
    });
    return state;
  };
  const failed = (thrown: unknown): ResourceState<Value> => ({ status: 'error', value: empty, error: toError(thrown) });

  const live = computed((): (() => ResourceState<Value>) => {
    const realm = ref.hasValue() && ref.value();
    if (!realm) return () => ({ status: ref.status(), value: empty, error: ref.error() });
    try {
      const source = observe(realm);
      return untracked(() => follow(source));
    } catch (thrown) {
      return () => failed(thrown);
    }
  });
  return computed(() => live()());
};
