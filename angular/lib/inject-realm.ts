import { assertInInjectionContext, inject, Injector } from '@angular/core';
import type { Schema } from 'tidemark';
import type { RealmRef } from './realm-ref.js';
import { type RealmToken, registeredRealm, type RegisteredSchema } from './realm-token.js';

/**
 * Selects the realm of a function that injects.
 *
 * @example
 * ```ts
 * readonly notes = injectObjects('Note', {}, { realm: notesRealm });
 * ```
 */
export interface InjectRealmOptions<S extends Schema> {
  /**
   * The token of the realm.
   *
   * @defaultValue none: the realm that has no token
   */
  readonly realm?: RealmToken<S>;
  /**
   * The injector to use, for a call outside of an injection context. What was injected lives as long as it.
   *
   * @defaultValue none: the injection context of the call
   */
  readonly injector?: Injector;
}

/** The injector of the options or of the context, and the realm. */
export const injectContext = <S extends Schema>(
  caller: (...values: never[]) => unknown,
  options: InjectRealmOptions<S>,
) => {
  if (!options.injector) assertInInjectionContext(caller);
  const injector = options.injector ?? inject(Injector);
  return { injector, ref: injector.get<unknown>(options.realm ?? registeredRealm) as RealmRef<S> };
};

/**
 * Injects a realm, to write and to wait until it is open. Opens it when it is injected first.
 *
 * @param options - The token of the realm.
 * @returns The realm as signals. Its status is `resolved` as soon as it is open.
 * @throws NullInjectorError of Angular when the realm is not provided.
 *
 * @example
 * ```ts
 * readonly realm = injectRealm();
 * finish = (id: string) => this.realm.write((tx) => tx.update('Task', id, { done: true }));
 * ```
 */
export const injectRealm = <S extends Schema = RegisteredSchema>(options: InjectRealmOptions<S> = {}): RealmRef<S> =>
  injectContext(injectRealm, options).ref;
