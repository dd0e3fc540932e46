import { distinctUntilChanged, map, type Observable } from 'rxjs';
import type { ClientCore } from '../client/client-core.js';
import { syncSupportOf } from '../client/client-registry.js';
import type { SyncClient } from '../client/sync-client.js';
import { InvalidArgumentError } from '../model/errors.js';
import { ConnectionError, createCloseError } from '../transport/wire.js';

/** Returns the internals of a client. Throws an `InvalidArgumentError` for anything else. */
export const coreOf = (client: SyncClient): ClientCore => syncSupportOf(client, 'client').core;

const faultText = 'offline is simulated';
/** The close code of a connection that broke: RFC 6455, section 7.4.1. */
const brokenCode = 1006;

/** Emits whether a client is offline by this switch: the present value on subscription, then every change. */
export const watchOffline = ({ fault$ }: ClientCore): Observable<boolean> =>
  fault$.pipe(
    map((fault) => fault !== null),
    distinctUntilChanged(),
  );

/** Takes a client offline or back online: see `simulateOffline`. */
export const setOffline = ({ fault$, reconnect }: ClientCore, offline: boolean): void => {
  if (offline === (fault$.value !== null)) return;
  if (!offline) {
    fault$.next(null);
    reconnect();
    return;
  }
  fault$.next({
    attempt: new ConnectionError({ kind: 'unreachable', detail: faultText }),
    connection: createCloseError(brokenCode, faultText),
  });
};

/**
 * Takes a client offline, or back online, without touching the network of the device.
 *
 * While offline, the open connection is cut as if the network had gone (close code 1006). Each attempt fails with the
 * reason `unreachable`, also one that is under way. The client waits and tries again as it does without a network. Back
 * online, it tries at once. Realms stay open, and writes are stored on the device. In the tabs of a browser that share
 * a realm, the client of the tab that has the connection decides.
 *
 * @param client - The client, made by `createSyncClient`.
 * @param offline - Whether there is to be no connection.
 * @throws InvalidArgumentError for anything else than a client and a boolean.
 *
 * @example
 * ```ts
 * simulateOffline(client, true);
 * ```
 */
export const simulateOffline = (client: SyncClient, offline: boolean): void => {
  if (typeof offline !== 'boolean') throw new InvalidArgumentError('offline', 'true or false', offline);
  setOffline(coreOf(client), offline);
};

/**
 * Observes whether `simulateOffline`, or the switch of an inspector, has taken a client offline.
 *
 * Hot. Emits the present value on subscription, then every change. Never completes, never errors. Each value is a
 * boolean.
 *
 * @param client - The client, made by `createSyncClient`.
 * @returns A stream of `true` while the client is offline by this switch.
 * @throws InvalidArgumentError for anything else than a client.
 *
 * @example
 * ```ts
 * observeSimulatedOffline(client).subscribe((offline) => (networkSwitch.checked = !offline));
 * ```
 */
export const observeSimulatedOffline = (client: SyncClient): Observable<boolean> => watchOffline(coreOf(client));
