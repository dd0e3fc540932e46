import { checkNumber, checkOptions, limits } from '../../model/limits.js';

/**
 * The timeouts of a client, in milliseconds. Each one can be set.
 *
 * @example
 * ```ts
 * const client = createSyncClient({ url, accessToken, timeouts: { ping: 15_000, linger: 0 } });
 * ```
 */
export interface SyncTimeouts {
  /**
   * Time for a connection attempt (name lookup, TCP, TLS, handshake) and for the answer to a bind.
   *
   * The default is two minutes, because the slowest mobile networks answer within that time.
   *
   * @defaultValue `120_000`
   */
  readonly connect: number;
  /**
   * Time without any frame after which a connection is closed. Must be longer than several pings.
   *
   * @defaultValue `120_000`
   */
  readonly read: number;
  /**
   * Time without any frame after the ping of a `reconnect()` or of a trigger, after which a connection is closed.
   *
   * For this long a session may be shown as `connected` after the network was lost or the machine slept. The time
   * starts again with any frame.
   *
   * @defaultValue `7_000`, or `read` if that is less
   */
  readonly probe: number;
  /**
   * Time for `accessToken` to emit a token, before it is called again.
   *
   * The default is longer than a slow network needs. An app that asks its user for a password may need more.
   *
   * @defaultValue `60_000`
   */
  readonly token: number;
  /**
   * Time for an answer of the storage, before the session reports the delay. The operation is not cancelled.
   *
   * The default is long, because full or worn flash memory takes seconds.
   *
   * @defaultValue `30_000`
   */
  readonly storage: number;
  /**
   * Time between pings, shortened at random by up to 10 %. Proxies close idle connections after 30 or 60 s.
   *
   * @defaultValue `25_000`
   */
  readonly ping: number;
  /**
   * Time for which a connection stays open after its last session was closed, so that a page change costs no handshake.
   *
   * @defaultValue `30_000`
   */
  readonly linger: number;
  /**
   * Time after a working connection broke during which the client retries each 100 ms, the first time after 50 ms. The
   * backoff begins after that. A connection worked if it was open for a second. Such retries come again only after a
   * connection that was open for `healthy`. 0 turns them off.
   *
   * The default is as long as a server takes to restart.
   *
   * @defaultValue `3_000`
   */
  readonly quickRetry: number;
  /**
   * First wait of the backoff.
   *
   * @defaultValue `1_000`
   */
  readonly backoffFirst: number;
  /**
   * Longest wait of the backoff.
   *
   * @defaultValue `300_000`
   */
  readonly backoffMost: number;
  /**
   * Time for which work may wait on an open connection without any movement, before `stalledSince` is set. If the
   * server answers a ping and nothing moves for as long again, the client opens a new connection. If the new connection
   * stalls too, the client reports a `StalledError`.
   *
   * The default is longer than a page takes on the slowest mobile networks.
   *
   * @defaultValue `30_000`
   */
  readonly stall: number;
  /**
   * Time after which a connection counts as healthy: the backoff is reset. Shorter connections keep doubling the wait.
   *
   * @defaultValue `10_000`
   */
  readonly healthy: number;
}

/**
 * The default timeouts of a client, in milliseconds.
 *
 * @example
 * ```ts
 * const client = createSyncClient({ url, timeouts: { stall: 2 * defaultTimeouts.stall } });
 * ```
 */
export const defaultTimeouts: SyncTimeouts = Object.freeze({
  connect: 120_000,
  read: 120_000,
  probe: 7_000,
  token: 60_000,
  storage: 30_000,
  ping: 25_000,
  linger: 30_000,
  quickRetry: 3_000,
  backoffFirst: 1_000,
  backoffMost: 300_000,
  stall: 30_000,
  healthy: 10_000,
});

/** Timeouts that may be 0. The others would leave no time for an answer, or would reconnect or ping in a tight loop. */
const zeroAllowed: readonly (keyof SyncTimeouts)[] = ['linger', 'healthy', 'quickRetry'];

const timeoutNames = Object.keys(defaultTimeouts) as (keyof SyncTimeouts)[];

/**
 * Returns the defaults with the timeouts that an app sets. `probe` is at most `read`, unless it is set.
 *
 * @throws {InvalidArgumentError} A name or a number is invalid.
 */
export const checkTimeouts = (given: Partial<SyncTimeouts> = {}): SyncTimeouts => {
  checkOptions('timeouts', given as SyncTimeouts, timeoutNames);
  for (const name of timeoutNames) {
    if (given[name] === undefined) continue;
    checkNumber(`timeouts.${name}`, given[name], zeroAllowed.includes(name) ? 0 : 1, limits.timerMsMax);
  }
  const isSet = ([, ms]: readonly [string, unknown]): boolean => ms !== undefined; // `undefined` counts as not set.
  const set = { ...defaultTimeouts, ...Object.fromEntries(Object.entries(given).filter(isSet)) };
  return given.probe === undefined ? { ...set, probe: Math.min(set.probe, set.read) } : set;
};
