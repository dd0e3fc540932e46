import {
  DestroyRef,
  type EnvironmentProviders,
  inject,
  InjectionToken,
  makeEnvironmentProviders,
  NgZone,
  PLATFORM_ID,
  type Provider,
} from '@angular/core';
import { createSyncClient, type SyncClient, type SyncClientOptions } from 'tidemark';
import { moveOutsideZone } from './outside-zone.js';

const syncClient = new InjectionToken<SyncClient | null>('client of tidemark');

/**
 * A part of `provideSyncClient` that an app adds when it needs it.
 *
 * @see {@link withUnsentChangesGuard}
 */
export interface SyncClientFeature {
  /** The providers of the part, for `provideSyncClient` alone. */
  readonly providers: readonly Provider[];
}

/** Whether this is server-side rendering: then nothing is opened, and nothing connects. */
export const injectIsServer = (): boolean => (inject(PLATFORM_ID) as unknown) === 'server';

/**
 * Provides the client of an app: the connection to a server. It is created when it is first injected, and closed with
 * its injector. Its timers and its socket are outside of Angular's zone. In server-side rendering it is not created.
 *
 * @param options - The options of `createSyncClient`, or a function that returns them. The function runs in an
 * injection context, for example to inject the service that has the access token.
 * @param features - Parts that not every app needs.
 * @returns Providers for an app or a route.
 * @throws InvalidArgumentError for invalid options, when the client is first injected.
 *
 * @example
 * ```ts
 * bootstrapApplication(App, {
 *   providers: [provideSyncClient({ url: 'wss://sync.example.com' }), provideRealm({ schema, storage: 'tasks' })],
 * });
 * ```
 */
export const provideSyncClient = (
  options: SyncClientOptions | (() => SyncClientOptions),
  ...features: readonly SyncClientFeature[]
): EnvironmentProviders =>
  makeEnvironmentProviders([
    {
      provide: syncClient,
      useFactory: (): SyncClient | null => {
        if (injectIsServer()) return null;
        const zone = inject(NgZone);
        const given = typeof options === 'function' ? options() : options;
        const client = zone.runOutsideAngular(() => moveOutsideZone(zone, createSyncClient(given)));
        inject(DestroyRef).onDestroy(() => void client.close());
        return client;
      },
    },
    ...features.flatMap(({ providers }) => providers),
  ]);

/**
 * Injects the client, for example to log a user in or out.
 *
 * @returns The client of `provideSyncClient`, or `null` in server-side rendering.
 * @throws NullInjectorError of Angular when no client is provided, and outside of an injection context.
 *
 * @example
 * ```ts
 * readonly client = injectSyncClient();
 * logOut() {
 *   return this.client?.logOut({ unsynced: 'wait' });
 * }
 * ```
 */
export const injectSyncClient = (): SyncClient | null => inject(syncClient);
