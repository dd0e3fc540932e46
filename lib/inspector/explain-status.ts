import type { AnySyncError } from '../model/errors.js';
import type { Reason, SyncStatus } from '../session/state/status.js';

/** Writes a number with its noun: `1 change`, `2 changes`. */
export const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Writes bytes: `310 B`, `1.2 kB`. */
export const formatBytes = (bytes: number): string => {
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
};

/** Writes a duration for people: `3 s`, `2 min`. */
export const formatWait = (ms: number): string => {
  const seconds = Math.ceil(ms / 1_000);
  return seconds < 100 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
};

const silences = {
  connect: 'the server did not answer',
  bind: 'the server did not answer the bind',
  read: 'nothing arrived for the read timeout',
  probe: 'the server did not answer a ping',
  stall: 'no work progressed',
} as const;

/** Says why a session is disconnected, as the end of a sentence. */
export const explainReason = (reason: Reason): string => {
  switch (reason.kind) {
    case 'idle':
      return 'it has not tried to connect yet';
    case 'paused':
      return 'pause() was called';
    case 'closed':
      return 'the realm or its client was closed';
    case 'logged-out':
      return 'no user is logged in';
    case 'unreachable':
      return `the server cannot be reached (${reason.detail})`;
    case 'timed-out':
      return silences[reason.what];
    case 'closed-by-server':
      return reason.code === 1006
        ? `the connection broke (${[reason.code, reason.text].filter(Boolean).join(', ')})`
        : `the server closed the connection with ${reason.code}${reason.text && ` (${reason.text})`}`;
    case 'server-error':
    case 'suspended':
      return `the server reported "${reason.code}"${reason.text && ` (${reason.text})`}`;
    case 'token-expired':
      return 'the access token has expired';
    case 'token-wanted':
      return 'the app has not given an access token yet';
    case 'failed':
      return `the error "${reason.code}" ended the session`;
  }
};

/** Says how many changes are not on the server: the end of a sentence. */
export const explainPending = ({ changesets, bytes }: SyncStatus['pending']): string =>
  changesets === 0
    ? 'everything is on the server'
    : `${countOf(changesets, 'change')} (${formatBytes(bytes)}) not on the server yet`;

const explainWork = ({ pending, downloaded: { behind } }: SyncStatus): string =>
  [
    ...(pending.changesets > 0 ? [explainPending(pending)] : []),
    ...(behind ? [`${countOf(behind, 'change')} not here yet`] : []),
  ].join(', ');

const explainConnection = (status: SyncStatus, now: number): string => {
  const { connection, stalledSince } = status;
  const work = explainWork(status);
  switch (connection.state) {
    case 'connected':
      if (stalledSince !== null)
        return `Connected, but nothing has moved for ${formatWait(now - stalledSince)}: ${work}.`;
      if (work !== '') return `Connected: ${work}.`;
      return status.downloaded.behind === null ? 'Connected.' : 'In sync with the server.';
    case 'connecting':
      return `Connecting${connection.attempt > 1 ? `, attempt ${connection.attempt}` : ''}.`;
    case 'disconnected': {
      const { retryAt, reason } = connection;
      const why = `Not connected: ${explainReason(reason)}.`;
      // The client tries again as soon as it has a token.
      if (retryAt === null) return reason.kind.startsWith('token') ? why : `${why} No attempt is planned.`;
      const left = retryAt - now;
      return `${why} The next attempt begins ${left > 0 ? `in ${formatWait(left)}` : 'now'}.`;
    }
  }
};

/**
 * Says in words why a session is in its present state.
 *
 * @param status - The status of the session.
 * @param trouble - The current error of the session, or `null`.
 * @param now - Milliseconds since the epoch.
 * @returns One to four sentences.
 */
export const explainStatus = (status: SyncStatus, trouble: AnySyncError | null, now: number): string => {
  const { sync, connection } = status;
  const advice = trouble ? ` ${trouble.advice}` : '';
  if (sync === 'inactive' && connection.state === 'disconnected') {
    const { reason } = connection;
    const next = reason.kind === 'logged-out' ? ' client.logIn() starts it again.' : '';
    return `Inactive: ${explainReason(reason)}.${next}${advice}`;
  }
  if (sync === 'paused') return 'Paused until resume() is called.';
  const closing = sync === 'dying' ? 'The realm was closed, and uploads its last changes. ' : '';
  return closing + explainConnection(status, now) + advice;
};
