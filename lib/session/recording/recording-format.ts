import type { AnySyncError } from '../../model/errors.js';
import { wireErrorCodes } from '../../protocol/messages.js';
import type { Progress } from '../api/progress.js';
import type { ConnectionStatus, Reason, SyncStatus } from '../state/status.js';

/*
 * What a recording says of a value: states, numbers and codes. Texts are left out, whoever made them: a server's may name a user, a
 * platform's an address with a token in it. Times are told from the moment of the value.
 */

/** A duration as marble diagrams have it, exactly: `1.5s`. */
export const formatSpan = (ms: number): string => {
  const whole = Math.round(ms);
  if (whole < 1_000) return `${whole}ms`;
  return whole < 60_000 || whole % 6_000 !== 0 ? `${whole / 1_000}s` : `${whole / 60_000}m`;
};

const formatFromNow = (time: number, now: number): string =>
  time < now ? `-${formatSpan(now - time)}` : `+${formatSpan(time - now)}`;

/** A code of the protocol; a server may say anything else as well. */
const knownCodeOf = (code: string): string => ((wireErrorCodes as readonly string[]).includes(code) ? code : 'other');

const formatReason = (reason: Reason): string => {
  switch (reason.kind) {
    case 'timed-out':
      return `${reason.kind}:${reason.what}`;
    case 'closed-by-server':
    case 'failed':
      return `${reason.kind}:${reason.code}`;
    case 'server-error':
    case 'suspended':
      return `${reason.kind}:${knownCodeOf(reason.code)}`;
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

const formatConnection = (connection: ConnectionStatus, now: number): string => {
  switch (connection.state) {
    case 'disconnected': {
      const { reason, attempt, retryAt } = connection;
      const retry = retryAt === null ? 'never' : formatFromNow(retryAt, now);
      return `connection=disconnected reason=${formatReason(reason)} attempt=${attempt} retry=${retry}`;
    }
    case 'connecting':
      return `connection=connecting attempt=${connection.attempt}`;
    case 'connected': {
      const { since, roundTripMs } = connection;
      const ping = roundTripMs === null ? 'none' : formatSpan(roundTripMs);
      return `connection=connected since=${formatFromNow(since, now)} ping=${ping}`;
    }
  }
};

/** All parts of a status, each in words, and what has to be the same for the words to be left out. */
const statusParts: readonly ((status: SyncStatus, now: number) => { readonly words: string; readonly is: string })[] = [
  ({ sync }) => ({ words: `sync=${sync}`, is: sync }),
  ({ connection }, now) => ({ words: formatConnection(connection, now), is: formatConnection(connection, 0) }),
  ({ pending: { changesets, bytes } }) => ({ words: `pending=${changesets}/${bytes}B`, is: `${changesets}/${bytes}` }),
  ({ downloaded: { version, behind } }) => {
    const words = `downloaded=${version} behind=${behind ?? 'unknown'}`;
    return { words, is: words };
  },
  ({ lastSyncedAt: at }, now) => ({
    words: `synced=${at === null ? 'never' : formatFromNow(at, now)}`,
    is: String(at),
  }),
  ({ stalledSince: at }, now) => ({ words: `stalled=${at === null ? 'no' : formatFromNow(at, now)}`, is: String(at) }),
];

/** A status: what differs from the one before it, or all of it. `now`: milliseconds since the epoch. */
export const formatStatus = (before: SyncStatus | null, status: SyncStatus, now: number): string => {
  const differing = statusParts
    .filter((part) => before === null || part(before, now).is !== part(status, now).is)
    .map((part) => part(status, now).words);
  return differing.length === 0 ? 'same' : differing.join(' ');
};

const estimateDigits = 4; // Of an estimate: more than any bar shows.

export const formatProgress = (progress: Progress): string => {
  const { transferredBytes, transferableBytes, transferredChangesets, transferableChangesets, estimate } = progress;
  // Only what is done is exactly 1.
  const rounded = estimate === 1 ? 1 : Math.min(Number(estimate.toFixed(estimateDigits)), 1 - 10 ** -estimateDigits);
  const changesets = `${transferredChangesets}/${transferableChangesets ?? 'unknown'}`;
  return `bytes=${transferredBytes}/${transferableBytes} changesets=${changesets} estimate=${rounded}`;
};

/** An error: its code and numbers. What a refused write was about stays here. */
export const formatError = (error: AnySyncError, now: number): string => {
  switch (error.code) {
    case 'stalled':
      return `stalled since=${formatFromNow(error.since, now)}`;
    case 'write-refused':
      return `write-refused version=${error.version}`;
    case 'history-changed':
      return `history-changed why=${error.why}`;
    default:
      return error.code;
  }
};
