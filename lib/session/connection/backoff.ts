import { defer, merge, NEVER, type Observable, of, take, timer } from 'rxjs';
import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import type { Disconnect } from './disconnect.js';
import type { Reason } from '../state/status.js';
import type { SyncTimeouts } from './timeouts.js';

/**
 * How long to wait before the next call. It belongs to the client, not to a session or a subscription: closing and
 * opening sessions does not get around it (R15), so it is the one thing here that remembers.
 */
export interface Backoff {
  /** Attempts that have failed in a row. */
  readonly attempt: number;
  /** Why the last one did; `null` after the backoff started over. */
  readonly reason: Reason | null;
  /** Whether somebody asked to hurry and the line has not proved to be alive since. */
  readonly isReconnectRequested: boolean;
  /** When the next call may begin, by the scheduler; `Infinity`: not until somebody asks for it. */
  readonly notBefore: number;
  /** The same by the wall clock, for people: milliseconds since the epoch; `null`: not by itself. */
  readonly computeRetryAt: () => number | null;
  /** A call ended after having been open for `livedMs`. */
  readonly recordDisconnect: (disconnect: Disconnect, livedMs: number) => void;
  /** "Try now", said during a wait: the wait is over and the backoff starts over. */
  readonly reset: () => void;
  /**
   * "Try now", said while a line is there or under way: should it die before it proves to be alive, the next call has
   * no delay.
   */
  readonly requestReconnect: () => void;
  /** The line has proved to be alive. */
  readonly confirmAlive: () => void;
}

/** What makes two failures the same failure (R2). */
const failureKeyOf = (reason: Reason): string => {
  switch (reason.kind) {
    case 'closed-by-server':
    case 'server-error':
    case 'suspended':
    case 'failed':
      return `${reason.kind} ${reason.code}`;
    case 'timed-out':
      return `${reason.kind} ${reason.what}`;
    case 'idle':
    case 'paused':
    case 'closed':
    case 'logged-out':
    case 'unreachable':
    case 'token-expired':
    case 'token-wanted':
      return reason.kind;
  }
};

/** A failure, and how many like it there were in a row. */
interface Failure {
  readonly reason: Reason;
  readonly attempt: number;
}

/** An expired token is renewed at once; only a server that goes on calling new ones expired is made to wait. */
const isRenewable = ({ reason }: Disconnect, attempt: number): boolean =>
  reason.kind === 'token-expired' && attempt === 1;

/** A realm that a reader opened before its first writer did: its content is to appear soon after that. */
const isMissingRealm = (reason: Reason | null): boolean =>
  reason?.kind === 'suspended' && reason.code === 'no-such-realm';

/**
 * Doubles from `backoffFirst` to `backoffMost`, minus a random 0–25 %, so that a thousand clients do not come back at
 * once (R1).
 */
export const createBackoff = (
  { backoffFirst, backoffMost, healthy }: Pick<SyncTimeouts, 'backoffFirst' | 'backoffMost' | 'healthy'>,
  { scheduler, random, now }: Clock,
): Backoff => {
  let attempt = 0;
  let renewed: Failure | null = null; // The failure before a renewal at once: its waits go on when it comes again.
  let notBefore = -Infinity;
  let reason: Reason | null = null;
  let hurried = false;

  const delayOf = ({ retry }: Disconnect): number => {
    if (retry === 'never') return Infinity;
    // Once as soon as it likes; one that goes on sending us away is not called in a circle.
    if (retry !== 'later') return Math.min(Math.max(retry.after, attempt === 1 ? 1 : backoffFirst), limits.timerMsMax);
    const most = isMissingRealm(reason) ? Math.min(backoffMost, limits.missingRealmMsMax) : backoffMost;
    return Math.min(most, backoffFirst * 2 ** (attempt - 1)) * (1 - random() / 4);
  };

  return {
    get attempt() {
      return attempt;
    },
    get notBefore() {
      return notBefore;
    },
    get reason() {
      return reason;
    },
    get isReconnectRequested() {
      return hurried;
    },
    computeRetryAt: () =>
      Number.isFinite(notBefore) ? Math.ceil(now() + Math.max(0, notBefore - scheduler.now())) : null,
    recordDisconnect: (disconnect, livedMs) => {
      const isNew = livedMs >= healthy || hurried;
      const last = isNew || reason === null ? null : { reason, attempt };
      const before = isNew ? null : renewed;
      const like = [last, before].find((each) => each && failureKeyOf(each.reason) === failureKeyOf(disconnect.reason));
      attempt = (like?.attempt ?? 0) + 1;
      reason = disconnect.reason;
      const isRenewed = isRenewable(disconnect, attempt);
      renewed = isRenewed ? (last ?? before) : null;
      const delay = (hurried && disconnect.retry === 'later') || isRenewed ? 0 : delayOf(disconnect);
      notBefore = scheduler.now() + delay;
      hurried = false;
    },
    reset: () => {
      attempt = 0;
      notBefore = -Infinity;
      reason = null;
      renewed = null;
    },
    requestReconnect: () => {
      hurried = true;
    },
    confirmAlive: () => {
      hurried = false;
    },
  };
};

/** Emits when the next call may begin, or when somebody asks for it now. Cold. */
export const waitForRetry = (
  backoff: Backoff,
  reconnect$: Observable<unknown>,
  { scheduler }: Clock,
): Observable<unknown> =>
  defer(() => {
    const left = backoff.notBefore - scheduler.now();
    return left <= 0 ? of(0) : merge(left === Infinity ? NEVER : timer(left, scheduler), reconnect$).pipe(take(1));
  });
