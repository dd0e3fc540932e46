import { InjectionToken } from '@angular/core';
import { distinctUntilChanged, finalize, map, tap } from 'rxjs';
import type { UnsentChangesWatch } from './realm-ref.js';
import type { SyncClientFeature } from './sync-client.js';

export const unsentChangesWatch = new InjectionToken<UnsentChangesWatch>('unsent changes of tidemark');

const askBeforeUnload = (event: Event): void => event.preventDefault();

/**
 * The browser asks the user before a page is closed or left that has changes which are not on the server yet. They are
 * not lost: they are stored on this device, and are uploaded when the app is opened again.
 *
 * Listens to `beforeunload` only while there are such changes, because some browsers keep no page with this listener
 * for the back button.
 *
 * @returns A feature for `provideSyncClient`.
 *
 * @example
 * ```ts
 * provideSyncClient({ url: 'wss://sync.example.com' }, withUnsentChangesGuard());
 * ```
 */
export const withUnsentChangesGuard = (): SyncClientFeature => ({
  providers: [{ provide: unsentChangesWatch, useValue: watchUnsentChanges }],
});

const watchUnsentChanges: UnsentChangesWatch = ({ status$ }) => {
  const stop = (): void => globalThis.removeEventListener('beforeunload', askBeforeUnload);
  return status$.pipe(
    map(({ pending }) => pending.changesets > 0),
    distinctUntilChanged(),
    tap((isUnsent) => {
      if (isUnsent) globalThis.addEventListener('beforeunload', askBeforeUnload);
      else stop();
    }),
    finalize(stop),
  );
};
