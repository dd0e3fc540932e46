import { untracked } from '@angular/core';
import type { Schema, SyncStatus } from 'tidemark';
import type { InjectRealmOptions } from './inject-realm.js';
import { injectSyncStatus } from './inject-session.js';
import type { RegisteredSchema } from './realm-token.js';

const askUser = ({ changesets }: SyncStatus['pending']): boolean =>
  globalThis.confirm(`${changesets} changes are not on the server yet. They stay on this device. Leave the page?`);

/**
 * Creates a guard for `canDeactivate` of a route: asks before the route is left with changes that are not on the server
 * yet.
 *
 * @param ask - Decides whether the route may be left. Runs in an injection context. By default `confirm` of the
 * browser.
 * @param options - The token of the realm.
 * @returns A guard. It asks nothing when everything is on the server.
 *
 * @example
 * ```ts
 * const routes: Routes = [{ path: 'edit', component: Edit, canDeactivate: [unsentChangesGuard()] }];
 * ```
 */
export const unsentChangesGuard =
  <S extends Schema = RegisteredSchema>(
    ask: (pending: SyncStatus['pending']) => boolean | Promise<boolean> = askUser,
    options: InjectRealmOptions<S> = {},
  ) =>
  (): boolean | Promise<boolean> => {
    const status = injectSyncStatus(options);
    const { pending } = untracked(status);
    return pending.changesets === 0 || ask(pending);
  };
