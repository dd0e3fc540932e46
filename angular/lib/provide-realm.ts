import { DestroyRef, type EnvironmentProviders, inject, makeEnvironmentProviders, NgZone } from '@angular/core';
import type { RealmOptions, Schema, SyncOptions } from 'tidemark';
import { createRealmRef, type RealmRef } from './realm-ref.js';
import { type RealmToken, registeredRealm, type RegisteredSchema } from './realm-token.js';
import { injectIsServer, injectSyncClient } from './sync-client.js';
import { unsentChangesWatch } from './unsent-changes.js';

/**
 * The options of `openRealm`, where the client is that of `provideSyncClient`.
 *
 * @example
 * ```ts
 * const options: ProvidedRealmOptions<typeof schema> = { schema, storage: 'tasks', sync: { realm: 'team-42' } };
 * ```
 */
export interface ProvidedRealmOptions<S extends Schema> extends Pick<
  RealmOptions<S>,
  'storage' | 'tabs' | 'clock' | 'schemaVersion' | 'migrate'
> {
  /** The object types of the realm. */
  readonly schema: S & RealmOptions<S>['schema'];
  /**
   * The server realm to sync with.
   *
   * @defaultValue none: the realm is a local realm
   */
  readonly sync?: Omit<SyncOptions, 'client'>;
}

/**
 * Provides a realm, for an app or a route. It is opened when it is first injected, and closed with its injector. In
 * server-side rendering it is not opened: its status stays `loading`.
 *
 * @param options - The options of `openRealm` without the client, or a function that returns them. The function runs in
 * an injection context, for example to name the storage after the user.
 * @param token - The token of the realm, in an app with several.
 * @returns Providers for an app or a route.
 *
 * @example
 * ```ts
 * provideRealm({ schema, storage: 'tasks', sync: { realm: 'team-42' } });
 * provideRealm(() => ({ schema: notes, storage: `notes-${inject(Users).id}` }), notesRealm);
 * ```
 */
export const provideRealm = <const S extends Schema = RegisteredSchema>(
  options: ProvidedRealmOptions<S> | (() => ProvidedRealmOptions<S>),
  token?: RealmToken<S>,
): EnvironmentProviders =>
  makeEnvironmentProviders([
    {
      provide: token ?? registeredRealm,
      useFactory: (): RealmRef<S> => {
        const { ref, close } = createRealmRef(
          inject(NgZone),
          injectIsServer() ? null : openOptionsOf(typeof options === 'function' ? options() : options),
          inject(unsentChangesWatch, { optional: true }),
        );
        inject(DestroyRef).onDestroy(close);
        return ref;
      },
    },
  ]);

const openOptionsOf = <S extends Schema>({ sync, ...options }: ProvidedRealmOptions<S>): RealmOptions<S> => {
  const client = sync && injectSyncClient();
  return client ? { ...options, sync: { ...sync, client } } : options;
};
