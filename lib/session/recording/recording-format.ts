import type { AnySyncError } from '../../model/errors.js';
import { formatDuration } from '../../model/marble-drawing.js';
import { wireErrorCodes } from '../../protocol/messages.js';
import type { Progress } from '../api/progress.js';
import { type ConnectionStatus, type Reason, reasonDetailOf, type SyncStatus } from '../state/status.js';

/*
 * The text of a recorded value has states, numbers and codes only. Texts of any origin are left out: that of a server
 * may name a user, and that of a platform may have an address with a token. Times are relative to the moment of the
 * value.
 */

/** Formats a duration exactly, as marble diagrams do: `1.5s`. */
export const formatSpan = (ms: number): string => formatDuration(Math.round(ms), 1, 6_000);

const formatFromNow = (time: number, now: number): string =>
  time < now ? `-${formatSpan(now - time)}` : `+${formatSpan(time - now)}`;

/** Returns a code of the protocol, or `other`, because a server may send any other code. */
const knownCodeOf = (code: string): string => ((wireErrorCodes as readonly string[]).includes(code) ? code : 'other');

const formatReason = (reason: Reason): string => {
  const detail = reasonDetailOf(reason);
  if (detail === null) return reason.kind;
  const isOwn = reason.kind === 'timed-out' || reason.kind === 'failed';
  return `${reason.kind}:${typeof detail === 'string' && !isOwn ? knownCodeOf(detail) : detail}`;
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

/** The parts of a status: each with its text, and with a key. A part is left out while its key stays the same. */
const statusParts: readonly ((status: SyncStatus, now: number) => { readonly text: string; readonly key: string })[] = [
  ({ sync }) => ({ text: `sync=${sync}`, key: sync }),
  ({ connection }, now) => ({ text: formatConnection(connection, now), key: formatConnection(connection, 0) }),
  ({ pending: { changesets, bytes } }) => ({ text: `pending=${changesets}/${bytes}B`, key: `${changesets}/${bytes}` }),
  ({ downloaded: { version, behind } }) => {
    const text = `downloaded=${version} behind=${behind ?? 'unknown'}`;
    return { text, key: text };
  },
  ({ lastSyncedAt: at }, now) => ({
    text: `synced=${at === null ? 'never' : formatFromNow(at, now)}`,
    key: String(at),
  }),
  ({ stalledSince: at }, now) => ({ text: `stalled=${at === null ? 'no' : formatFromNow(at, now)}`, key: String(at) }),
];

/** Formats the differences between two statuses, or all of a status. `now`: milliseconds since the epoch. */
export const formatStatus = (before: SyncStatus | null, status: SyncStatus, now: number): string => {
  const differing = statusParts
    .filter((part) => before === null || part(before, now).key !== part(status, now).key)
    .map((part) => part(status, now).text);
  return differing.length === 0 ? 'same' : differing.join(' ');
};

const estimateDigits = 4; // More digits than a progress bar shows.

export const formatProgress = (progress: Progress): string => {
  const { transferredBytes, transferableBytes, transferredChangesets, transferableChangesets, estimate } = progress;
  // Only finished progress is exactly 1.
  const rounded = estimate === 1 ? 1 : Math.min(Number(estimate.toFixed(estimateDigits)), 1 - 10 ** -estimateDigits);
  const changesets = `${transferredChangesets}/${transferableChangesets ?? 'unknown'}`;
  return `bytes=${transferredBytes}/${transferableBytes} changesets=${changesets} estimate=${rounded}`;
};

/** Formats the code and the numbers of an error. The data of a rejected write is left out. */
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
