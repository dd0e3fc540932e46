import { checkNumber, checkOptions, limits } from '../../model/limits.js';

/** How long a session bears each thing, in milliseconds. All can be set; the defaults have their reasons. */
export interface SyncTimeouts {
  /**
   * Name lookup, TCP, TLS, handshake, and the answer to a bind: the slowest mobile networks answer within two minutes.
   */
  readonly connect: number;
  /** A socket on which no frame at all arrives for this long is dead. Longer than several pings. */
  readonly read: number;
  /**
   * How long a socket that looks alive may stay silent after the ping of a `reconnect()` or of a trigger: so long a
   * state may be `connected` that is none, when the network has gone or the machine has slept. Any frame makes it start
   * again.
   */
  readonly probe: number;
  /**
   * How long `accessToken` may take; then it is asked again. Longer than a slow network: an app that asks its user for
   * a password may want more.
   */
  readonly token: number;
  /**
   * How long a storage may take for an answer before the session says so: flash that is full or worn takes seconds.
   * What was asked for is not given up.
   */
  readonly storage: number;
  /** Between pings: proxies cut idle sockets after 30 or 60 s. Shortened by up to 10 % at random. */
  readonly ping: number;
  /** How long a socket stays open after its last session left: a page change must not cost a handshake. */
  readonly linger: number;
  /** The first wait of the backoff. */
  readonly backoffFirst: number;
  /** The longest wait of the backoff. */
  readonly backoffMost: number;
  /**
   * How long work may wait on an open line without anything moving: longer than a page takes on the slowest mobile
   * networks.
   */
  readonly stall: number;
  /** A socket that lived this long proves the server well: the backoff starts over. Younger deaths keep doubling. */
  readonly healthy: number;
}

export const defaultTimeouts: SyncTimeouts = Object.freeze({
  connect: 120_000,
  read: 120_000,
  probe: 7_000,
  token: 60_000,
  storage: 30_000,
  ping: 25_000,
  linger: 30_000,
  backoffFirst: 1_000,
  backoffMost: 300_000,
  stall: 30_000,
  healthy: 10_000,
});

/** May be nothing at all; the others would leave no time for an answer, or call and ping in a circle. */
const zeroAllowed: readonly (keyof SyncTimeouts)[] = ['linger', 'healthy'];

const timeoutNames = Object.keys(defaultTimeouts) as (keyof SyncTimeouts)[];

/**
 * The defaults with what an app sets; `probe` is at most `read`, unless set. Refuses names and numbers that make no
 * sense.
 */
export const checkTimeouts = (given: Partial<SyncTimeouts> = {}): SyncTimeouts => {
  checkOptions('timeouts', given as SyncTimeouts, timeoutNames);
  for (const name of timeoutNames) {
    if (given[name] === undefined) continue;
    checkNumber(`timeouts.${name}`, given[name], zeroAllowed.includes(name) ? 0 : 1, limits.timerMsMax);
  }
  const isSet = ([, ms]: readonly [string, unknown]): boolean => ms !== undefined; // As if it were left out.
  const set = { ...defaultTimeouts, ...Object.fromEntries(Object.entries(given).filter(isSet)) };
  return given.probe === undefined ? { ...set, probe: Math.min(set.probe, set.read) } : set;
};
