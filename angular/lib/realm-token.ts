import { InjectionToken } from '@angular/core';
import type { Schema } from 'tidemark';
import type { RealmRef } from './realm-ref.js';

/**
 * The schema of the realm that has no token, for the types of this package. An app extends this interface once.
 *
 * @example
 * ```ts
 * declare module 'tidemark/angular' {
 *   interface RegisteredRealm {
 *     schema: typeof schema;
 *   }
 * }
 * ```
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- apps add the property
export interface RegisteredRealm {}

/** The schema of `RegisteredRealm`, or any schema while no app has registered one. */
export type RegisteredSchema = RegisteredRealm extends { schema: infer S extends Schema } ? S : Schema;

/**
 * Names one of several realms.
 *
 * @see {@link createRealmToken}
 */
export type RealmToken<S extends Schema> = InjectionToken<RealmRef<S>>;

/**
 * Creates the token of one realm, for an app with several.
 *
 * @param name - A name for messages of Angular.
 * @returns A token for the option `token` of `provideRealm` and the option `realm` of the functions that inject.
 *
 * @example
 * ```ts
 * export const notesRealm = createRealmToken<typeof notesSchema>('notes');
 * ```
 */
export const createRealmToken = <S extends Schema>(name: string): RealmToken<S> =>
  new InjectionToken<RealmRef<S>>(`realm ${name}`);

/** The token of the realm that has none of its own. Its schema is that of `RegisteredRealm`. */
export const registeredRealm = new InjectionToken<unknown>('realm of tidemark');
