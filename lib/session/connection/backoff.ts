import { defer, merge, NEVER, type Observable, of, take, timer } from 'rxjs';
import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import type { Disconnect } from './disconnect.js';
import { type Reason, reasonDetailOf } from '../state/status.js';
import type { SyncTimeouts } from './timeouts.js';

/**
 * The wait before the next connection attempt.
 *
 * A backoff belongs to the client, not to a session or a subscription: closing and opening sessions does not skip a
 * wait (R15). So it keeps state between connections.
 */
export interface Backoff {
  /** Attempts that failed in a row. */
  readonly attempt: number;
  /** Reason of the last failure. `null` after a reset of the backoff. */
  readonly reason: Reason | null;
  /** Whether a quick retry follows the last disconnect (R16). */
  readonly isQuick: boolean;
  /** Whether a reconnect trigger came and the connection has not proved to be alive since then. */
  readonly isReconnectRequested: boolean;
  /** Time by the scheduler at which the next attempt may begin. `Infinity`: only after a reconnect trigger. */
  readonly notBefore: number;
  /** The same time by the wall clock, in milliseconds since the epoch. `null`: only after a reconnect trigger. */
  readonly computeRetryAt: () => number | null;
  /** An attempt ended, after its connection had been open for `livedMs`. */
  readonly recordDisconnect: (disconnect: Disconnect, livedMs: number) => void;
  /** A reconnect trigger during a wait: ends the wait and resets the backoff. */
  readonly reset: () => void;
  /**
   * A reconnect trigger during an attempt or on an open connection. If it ends before it proves to be alive, the next
   * attempt has no delay.
   */
  readonly requestReconnect: () => void;
  /** The connection has proved to be alive. */
  readonly confirmAlive: () => void;
}

/** Returns a key that is the same for failures of the same kind (R2). */
const failureKeyOf = (reason: Reason): string => `${reason.kind} ${reasonDetailOf(reason)}`;

/** Close codes of a socket whose server or network broke, or whose server restarts: it may be back in a moment. */
const brokenCodes = [1001, 1006, 1012];

/** Whether the server may be back within seconds: it restarts, or the network is gone for a moment. */
const isMomentary = ({ reason, retry }: Disconnect): boolean =>
  retry === 'later' &&
  (reason.kind === 'unreachable' || (reason.kind === 'closed-by-server' && brokenCodes.includes(reason.code)));

/**
 * Creates the rule of quick retries (R16): after a working connection broke, the next attempt follows almost at once,
 * and further ones each tenth of a second for some seconds. They come again only after a healthy connection, so that a
 * server in a crash loop does not get them each time.
 */
const createQuickRetries = (
  { quickRetry, healthy }: Pick<SyncTimeouts, 'quickRetry' | 'healthy'>,
  { scheduler }: Clock,
) => {
  let until = -Infinity;
  let livedMsMin: number = limits.quickRetryAfterMs;
  return {
    /** The delay after a disconnect, without its random part; `null` when the backoff decides. */
    delayOf: (disconnect: Disconnect, livedMs: number): number | null => {
      const now = scheduler.now();
      if (!isMomentary(disconnect)) return null;
      if (now < until) return limits.quickRetryMs;
      if (quickRetry === 0 || livedMs < livedMsMin) return null;
      until = now + quickRetry;
      livedMsMin = Math.max(livedMsMin, healthy);
      return limits.quickRetryFirstMs;
    },
  };
};

/** A failure, and the number of equal failures in a row. */
interface Failure {
  readonly reason: Reason;
  readonly attempt: number;
  /** Number of these failures that no quick retry followed. The waits double with it. */
  readonly slowCount: number;
}

/**
 * An expired token is renewed at once. Only if the server rejects the new token as expired, too, does the client wait.
 */
const isRenewable = ({ reason }: Disconnect, attempt: number): boolean =>
  reason.kind === 'token-expired' && attempt === 1;

/** A reader opened the realm before its first writer did. The realm is expected to exist soon. */
const isMissingRealm = (reason: Reason | null): boolean =>
  reason?.kind === 'suspended' && reason.code === 'no-such-realm';

/** Counts equal failures in a row (R2). A renewed token between two of them does not count. */
const createFailureCount = () => {
  let last: Failure | null = null;
  // The failure before a token was renewed. Its waits continue when it comes again.
  let beforeRenewal: Failure | null = null;
  return {
    last: () => last,
    /** Counts a failure, and returns whether a renewed token mends it. `isNew`: the failures before do not count. */
    add: (disconnect: Disconnect, isNew: boolean, isQuick: boolean): Failure & { readonly isRenewed: boolean } => {
      const previous = isNew ? null : last;
      const before = isNew ? null : beforeRenewal;
      const key = failureKeyOf(disconnect.reason);
      const same = [previous, before].find((each) => each && failureKeyOf(each.reason) === key);
      const attempt = (same?.attempt ?? 0) + 1;
      const isRenewed = isRenewable(disconnect, attempt);
      last = { reason: disconnect.reason, attempt, slowCount: (same?.slowCount ?? 0) + (isQuick ? 0 : 1) };
      beforeRenewal = isRenewed ? (previous ?? before) : null;
      return { ...last, isRenewed };
    },
    reset: (): void => {
      last = null;
      beforeRenewal = null;
    },
  };
};

/** Creates the function that returns the delay of the backoff. `doublings`: how often the first delay is doubled. */
const createDelays =
  ({ backoffFirst, backoffMost }: Pick<SyncTimeouts, 'backoffFirst' | 'backoffMost'>, { random }: Clock) =>
  ({ retry, reason }: Disconnect, attempt: number, doublings: number): number => {
    if (retry === 'never') return Infinity;
    // The first delay is as short as the server asks. Further ones are not, so that the client does not reconnect in a
    // tight loop.
    if (retry !== 'later') return Math.min(Math.max(retry.after, attempt === 1 ? 1 : backoffFirst), limits.timerMsMax);
    const most = isMissingRealm(reason) ? Math.min(backoffMost, limits.missingRealmMsMax) : backoffMost;
    return Math.min(most, backoffFirst * 2 ** doublings) * (1 - random() / 4);
  };

/**
 * Creates a backoff that doubles from `backoffFirst` to `backoffMost`.
 *
 * A random part of up to 25 % is subtracted, so that a thousand clients do not reconnect at the same time (R1). Quick
 * retries come before it (R16), and do not count for its doubling.
 */
export const createBackoff = (
  timeouts: Pick<SyncTimeouts, 'backoffFirst' | 'backoffMost' | 'healthy' | 'quickRetry'>,
  clock: Clock,
): Backoff => {
  const { healthy } = timeouts;
  const { scheduler, random, now } = clock;
  const delayOf = createDelays(timeouts, clock);
  const quickRetries = createQuickRetries(timeouts, clock);
  const failures = createFailureCount();
  let notBefore = -Infinity;
  let isReconnectRequested = false;
  let isQuick = false;

  return {
    get attempt() {
      return failures.last()?.attempt ?? 0;
    },
    get notBefore() {
      return notBefore;
    },
    get reason() {
      return failures.last()?.reason ?? null;
    },
    get isQuick() {
      return isQuick;
    },
    get isReconnectRequested() {
      return isReconnectRequested;
    },
    computeRetryAt: () =>
      Number.isFinite(notBefore) ? Math.ceil(now() + Math.max(0, notBefore - scheduler.now())) : null,
    recordDisconnect: (disconnect, livedMs) => {
      const quick = quickRetries.delayOf(disconnect, livedMs);
      isQuick = quick !== null;
      const isNew = livedMs >= healthy || isReconnectRequested;
      const { attempt, slowCount, isRenewed } = failures.add(disconnect, isNew, isQuick);
      const isAtOnce = (isReconnectRequested && disconnect.retry === 'later') || isRenewed;
      const delay = quick === null ? delayOf(disconnect, attempt, slowCount - 1) : quick * (1 - random() / 4);
      notBefore = scheduler.now() + (isAtOnce ? 0 : delay);
      isReconnectRequested = false;
    },
    reset: () => {
      failures.reset();
      notBefore = -Infinity;
      isQuick = false;
    },
    requestReconnect: () => {
      isReconnectRequested = true;
    },
    confirmAlive: () => {
      isReconnectRequested = false;
    },
  };
};

/** A backoff that is created by the first failure, because most sessions never need one of their own. */
export class LazyBackoff {
  #backoff: Backoff | null = null;

  constructor(
    private readonly timeouts: SyncTimeouts,
    private readonly clock: Clock,
  ) {}

  get attempt(): number {
    return this.#backoff?.attempt ?? 0;
  }

  get(): Backoff {
    return (this.#backoff ??= createBackoff(this.timeouts, this.clock));
  }

  reset(): void {
    this.#backoff?.reset();
  }
}

/** Emits when the next attempt may begin, or at the next reconnect trigger. Cold. */
export const waitForRetry = (
  backoff: Backoff,
  reconnect$: Observable<unknown>,
  { scheduler }: Clock,
): Observable<unknown> =>
  defer(() => {
    const left = backoff.notBefore - scheduler.now();
    return left <= 0 ? of(0) : merge(left === Infinity ? NEVER : timer(left, scheduler), reconnect$).pipe(take(1));
  });
