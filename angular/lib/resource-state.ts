import { computed, type Signal } from '@angular/core';

/**
 * Whether a value is there yet, by the names of Angular's `ResourceStatus`.
 *
 * `loading`: the realm is being opened. `resolved`: the value is that of the realm. `error`: the realm could not be
 * opened, or a query is invalid.
 */
export type RealmResourceStatus = 'loading' | 'resolved' | 'error';

/**
 * A value of a realm as signals. Has the members of Angular's `Resource`.
 *
 * @example
 * ```ts
 * readonly tasks = injectObjects('Task');
 * // @if (tasks.isLoading()) { … } @else if (tasks.error()) { … } @else { @for (task of tasks.value(); …) }
 * ```
 */
export interface RealmResource<Value> {
  /**
   * The value. While the status is `loading`, an empty list or `undefined`. Throws the error while the status is
   * `error`, as `value` of an Angular resource does; Ask `hasValue()` or `error()` before.
   */
  readonly value: Signal<Value>;
  /** Whether the value is there. */
  readonly status: Signal<RealmResourceStatus>;
  /** The error of the status `error`, or `undefined`. Errors of this library have an `advice`. */
  readonly error: Signal<Error | undefined>;
  /** Whether the status is `loading`. */
  readonly isLoading: Signal<boolean>;
  /**
   * Returns whether the status is `resolved`. Reads signals, so that a template or a `computed` that calls it follows.
   *
   * @returns Whether `value()` is a value of the realm.
   */
  readonly hasValue: () => boolean;
}

export interface ResourceState<Value> {
  readonly status: RealmResourceStatus;
  readonly value: Value;
  readonly error?: Error | undefined;
}

export const toError = (thrown: unknown): Error =>
  thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });

export const toResource = <Value>(state: Signal<ResourceState<Value>>): RealmResource<Value> => {
  const status = computed(() => state().status);
  const error = computed(() => state().error);
  return {
    value: computed(() => {
      const failed = error();
      if (failed) throw failed;
      return state().value;
    }),
    status,
    error,
    isLoading: computed(() => status() === 'loading'),
    hasValue: () => status() === 'resolved',
  };
};
