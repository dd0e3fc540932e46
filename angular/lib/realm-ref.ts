import { type NgZone, signal, untracked } from '@angular/core';
import { firstValueFrom, NEVER, type Observable, ReplaySubject, type Subscription, switchMap, tap } from 'rxjs';
import {
  InvalidStateError,
  openRealm$,
  type Realm,
  RealmClosedError,
  type RealmOptions,
  type Schema,
  type SyncSession,
} from 'tidemark';
import { moveOutsideZone } from './outside-zone.js';
import { type RealmResource, type ResourceState, toError, toResource } from './resource-state.js';

/**
 * A realm that opens, is open, or could not be opened.
 *
 * @example
 * ```ts
 * readonly realm = injectRealm();
 * add = (title: string) => this.realm.write((tx) => tx.create('Task', { id: crypto.randomUUID(), title }));
 * ```
 */
export interface RealmRef<S extends Schema> extends RealmResource<Realm<S> | undefined> {
  /**
   * Waits until the realm is open.
   *
   * @returns A promise of the realm.
   * @throws The errors of `openRealm` (as a rejection).
   * @throws InvalidStateError (as a rejection) in server-side rendering.
   * @throws RealmClosedError (as a rejection) when the injector of the realm is destroyed first.
   */
  readonly opened: () => Promise<Realm<S>>;
  /**
   * Waits until the realm is open, and writes: see `Realm.write`.
   *
   * @param change - Makes the changes through its argument. It must not be asynchronous.
   * @returns A promise that resolves when the transaction is durable on this device.
   * @throws The errors of `opened` and of `Realm.write` (as a rejection).
   */
  readonly write: Realm<S>['write'];
  /** Opens the realm again after an error. Does nothing in any other status. */
  readonly reload: () => void;
}

/** The work of `withUnsentChangesGuard` while a realm is open. Never completes. */
export type UnsentChangesWatch = (session: SyncSession) => Observable<unknown>;

/**
 * Opens a realm until `close` is called.
 *
 * @param options - `null` in server-side rendering.
 */
export const createRealmRef = <S extends Schema>(
  zone: NgZone,
  options: RealmOptions<S> | null,
  watch: UnsentChangesWatch | null,
) => {
  const state = signal<ResourceState<Realm<S> | undefined>>({ status: 'loading', value: undefined });
  /** The realm or its error, for those who wait. */
  let outcome = new ReplaySubject<Realm<S>>(1);
  let opening: Subscription | undefined;

  const onOpened = (realm: Realm<S>): void => {
    moveOutsideZone(zone, realm);
    if (realm.session) moveOutsideZone(zone, realm.session);
    state.set({ status: 'resolved', value: realm });
    outcome.next(realm);
  };
  const onFailed = (thrown: unknown): void => {
    state.set({ status: 'error', value: undefined, error: toError(thrown) });
    outcome.error(thrown);
  };
  const open = (of: RealmOptions<S>): void => {
    opening = zone.runOutsideAngular(() =>
      openRealm$(of)
        .pipe(
          tap(onOpened),
          switchMap(({ session }) => (session && watch?.(session)) ?? NEVER),
        )
        .subscribe({ error: onFailed }),
    );
  };
  if (options) untracked(() => open(options));
  else outcome.error(new InvalidStateError('In server-side rendering no realm is opened. Wait in the browser.'));

  const opened = (): Promise<Realm<S>> => firstValueFrom(outcome);
  const ref: RealmRef<S> = {
    ...toResource(state),
    opened,
    write: async (change) => (await opened()).write(change),
    reload: () => {
      if (!options || untracked(state).status !== 'error') return;
      state.set({ status: 'loading', value: undefined });
      outcome = new ReplaySubject(1);
      open(options);
    },
  };
  const close = (): void => {
    opening?.unsubscribe();
    outcome.error(new RealmClosedError('The injector of the realm was destroyed before it had opened.'));
  };
  return { ref, close };
};
