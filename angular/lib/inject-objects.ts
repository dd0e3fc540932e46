import { computed } from '@angular/core';
import { of } from 'rxjs';
import type { KeyOf, ObjectOf, Query, Schema, TypeName } from 'tidemark';
import type { InjectRealmOptions } from './inject-realm.js';
import { injectLiveValue } from './live-value.js';
import type { RegisteredSchema } from './realm-token.js';
import { type RealmResource, toResource } from './resource-state.js';

/**
 * Injects the objects that match a query. The signal has its first value as soon as the realm is open, and a new one at
 * the end of every event-loop turn whose changes alter the result.
 *
 * @param type - A type of the schema.
 * @param query - Filter, order and limit, or a function that returns them. The function is tracked: when a signal that
 * it reads changes, the result is that of the new query. All objects when it is left out.
 * @param options - The token of the realm.
 * @returns The objects, frozen, as signals. The status is `error` for an invalid query and while the realm could not be
 * opened.
 *
 * @example
 * ```ts
 * readonly showDone = signal(false);
 * readonly tasks = injectObjects('Task', () => ({ where: { done: this.showDone() }, sort: { due: 1 } }));
 * ```
 */
export const injectObjects = <S extends Schema = RegisteredSchema, T extends TypeName<S> = TypeName<S>>(
  type: T,
  query: Query<S, T> | (() => Query<S, T>) = {},
  options: InjectRealmOptions<S> = {},
): RealmResource<readonly ObjectOf<S, T>[]> =>
  toResource(
    injectLiveValue(injectObjects, options, [] as readonly ObjectOf<S, T>[], (realm) =>
      realm.objects$(type, typeof query === 'function' ? query() : query),
    ),
  );

/**
 * Injects one object.
 *
 * @param type - A type of the schema.
 * @param key - The primary key, or a function that returns it. The function is tracked. While it returns `undefined`,
 * there is no object.
 * @param options - The token of the realm.
 * @returns The object, frozen, or `undefined` while it does not exist, as signals.
 *
 * @example
 * ```ts
 * readonly id = input.required<string>();
 * readonly task = injectObject('Task', () => this.id());
 * ```
 */
export const injectObject = <S extends Schema = RegisteredSchema, T extends TypeName<S> = TypeName<S>>(
  type: T,
  key: KeyOf<S, T> | (() => KeyOf<S, T> | undefined),
  options: InjectRealmOptions<S> = {},
): RealmResource<ObjectOf<S, T> | undefined> => {
  const present = computed(() => (typeof key === 'function' ? key() : key));
  return toResource(
    injectLiveValue(injectObject, options, undefined as ObjectOf<S, T> | undefined, (realm) => {
      const wanted = present();
      return wanted === undefined ? of(undefined) : realm.object$(type, wanted);
    }),
  );
};
