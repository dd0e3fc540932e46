import { computed, type Signal } from '@angular/core';
import { distinctUntilChanged, EMPTY, type Observable } from 'rxjs';
import type { ConnectionState, Progress, Schema, SyncSession, SyncState, SyncStatus } from 'tidemark';
import type { InjectRealmOptions } from './inject-realm.js';
import { injectLiveValue } from './live-value.js';
import type { RegisteredSchema } from './realm-token.js';

/** The status until the realm is open, of a local realm, and in server-side rendering. */
const idleStatus: SyncStatus = {
  sync: 'inactive',
  connection: { state: 'disconnected', reason: { kind: 'idle' } } as SyncStatus['connection'],
  pending: { changesets: 0, bytes: 0 },
  downloaded: { version: 0, behind: null },
  lastSyncedAt: null,
  stalledSince: null,
};

/**
 * Compares all but the round trip time, which each ping measures. A ping must not run change detection, which also a
 * signal does that is set and whose readers then have equal values.
 */
const isSameStatus = (a: SyncStatus, b: SyncStatus): boolean => toComparable(a) === toComparable(b);
const toComparable = (status: SyncStatus): string =>
  JSON.stringify(status, (name, value: unknown) => (name === 'roundTripMs' ? 0 : value));

/** A signal of a stream of the session. Never throws. */
const injectOfSession = <S extends Schema, Value>(
  caller: (...values: never[]) => unknown,
  options: InjectRealmOptions<S>,
  empty: Value,
  observe: (session: SyncSession) => Observable<Value>,
): Signal<Value> => {
  const state = injectLiveValue(caller, options, empty, ({ session }) => (session ? observe(session) : EMPTY));
  return computed(() => state().value);
};

/**
 * Injects the status of the session of a realm. While there is no session (the realm is not open yet, is local, or the
 * page is rendered on a server), the status is inactive and disconnected.
 *
 * @param options - The token of the realm.
 * @returns A signal of the status: `session.status$`. Never throws. A new round trip time alone makes no new value,
 * because each ping measures one.
 *
 * @example
 * ```ts
 * readonly status = injectSyncStatus();
 * readonly unsent = computed(() => this.status().pending.changesets);
 * ```
 */
export const injectSyncStatus = <S extends Schema = RegisteredSchema>(
  options: InjectRealmOptions<S> = {},
): Signal<SyncStatus> =>
  injectOfSession(injectSyncStatus, options, idleStatus, ({ status$ }) =>
    status$.pipe(distinctUntilChanged(isSameStatus)),
  );

/**
 * Injects whether the session of a realm can sync now.
 *
 * @param options - The token of the realm.
 * @returns A signal of `session.connectionState`; `disconnected` while there is no session.
 *
 * @example
 * ```ts
 * readonly isOffline = computed(() => this.connection() !== 'connected');
 * readonly connection = injectConnectionState();
 * ```
 */
export const injectConnectionState = <S extends Schema = RegisteredSchema>(
  options: InjectRealmOptions<S> = {},
): Signal<ConnectionState> =>
  injectOfSession(injectConnectionState, options, 'disconnected', ({ connectionState$ }) => connectionState$);

/**
 * Injects whether a realm is to be kept in sync.
 *
 * @param options - The token of the realm.
 * @returns A signal of `session.syncState`; `inactive` while there is no session.
 *
 * @example
 * ```ts
 * readonly syncState = injectSyncState();
 * ```
 */
export const injectSyncState = <S extends Schema = RegisteredSchema>(
  options: InjectRealmOptions<S> = {},
): Signal<SyncState> => injectOfSession(injectSyncState, options, 'inactive', ({ syncState$ }) => syncState$);

/**
 * Injects the progress of uploading: `session.progress$` with `reportIndefinitely`.
 *
 * @param options - The token of the realm.
 * @returns A signal of the progress, or of `null` until its numbers are known and while there is no session.
 *
 * @example
 * ```ts
 * readonly progress = injectUploadProgress();
 * readonly percent = computed(() => Math.floor(100 * (this.progress()?.estimate ?? 1)));
 * ```
 */
export const injectUploadProgress = <S extends Schema = RegisteredSchema>(
  options: InjectRealmOptions<S> = {},
): Signal<Progress | null> =>
  injectOfSession(injectUploadProgress, options, null, ({ progress$ }) =>
    progress$({ direction: 'upload', mode: 'reportIndefinitely' }),
  );
