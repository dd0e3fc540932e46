import type { AnySyncError } from '../model/errors.js';
import { formatDuration } from '../model/marble-drawing.js';
import type { Reason, SyncStatus } from '../session/state/status.js';

/** Writes a number with its noun: `1 change`, `2 changes`. */
export const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** Writes bytes: `310 B`, `1.2 kB`. */
export const formatBytes = (bytes: number): string => {
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1_000_000 ? `${(bytes / 1_000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
};

/** Writes a duration for people: `250ms`, `3s`, `2m`. */
export const formatWait = (ms: number): string => {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`;
  const seconds = Math.round(ms / 1_000);
  return seconds < 100 ? `${seconds}s` : formatDuration(Math.round(seconds / 60) * 60_000, 1_000, 60_000);
};

const silences = {
  connect: 'the server did not answer the attempt to connect',
  bind: 'the server did not answer the bind of this session',
  read: 'nothing arrived for the whole read timeout',
  probe: 'the server did not answer a ping',
  stall: 'the server answered, but no work progressed',
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
      return 'the access token has expired, and the app is asked for another one';
    case 'token-wanted':
      return 'the app has not given an access token yet';
    case 'failed':
      return `the error "${reason.code}" ended the session`;
  }
};

const explainWork = ({ pending, downloaded: { behind } }: SyncStatus): string => {
  const work = [
    ...(pending.changesets > 0
      ? [`${countOf(pending.changesets, 'change')} (${formatBytes(pending.bytes)}) not on the server yet`]
      : []),
    ...((behind ?? 0) > 0 ? [`${countOf(behind ?? 0, 'change')} of others not here yet`] : []),
  ];
  return work.join(', ');
};

const explainSync = ({ sync, pending }: SyncStatus): string | null => {
  switch (sync) {
    case 'paused':
      return 'Paused: pause() was called. Nothing is sent or received until resume().';
    case 'inactive':
      return 'Inactive:';
    case 'waitingForAccessToken':
      return 'Waiting for an access token: the last one has expired, and the app was asked for another one.';
    case 'dying':
      return `The realm was closed. Its last ${countOf(pending.changesets, 'change')} must be uploaded.`;
    case 'active':
      return null;
  }
};

const explainConnection = (status: SyncStatus, now: number): string => {
  const { connection, stalledSince } = status;
  const work = explainWork(status);
  switch (connection.state) {
    case 'connected':
      if (stalledSince !== null)
        return `Connected, but nothing has moved for ${formatWait(now - stalledSince)}: ${work}.`;
      return work === '' ? 'In sync: device and server have the same data.' : `Connected: ${work}.`;
    case 'connecting':
      return `Connecting${connection.attempt > 1 ? `, attempt ${connection.attempt}` : ''}.`;
    case 'disconnected': {
      const { retryAt, reason, attempt } = connection;
      const why = `Not connected: ${explainReason(reason)}.`;
      if (retryAt === null) return `${why} No attempt is planned.`;
      const left = retryAt - now;
      return `${why} Attempt ${attempt + 1} begins ${left > 0 ? `in ${formatWait(left)}` : 'now'}.`;
    }
  }
};

/**
 * Says in words why a session is in its present state.
 *
 * @param status - The status of the session.
 * @param trouble - The current error of the session, or `null`.
 * @param now - Milliseconds since the epoch.
 * @returns One to three sentences.
 */
export const explainStatus = (status: SyncStatus, trouble: AnySyncError | null, now: number): string => {
  const { sync, connection } = status;
  const advice = trouble && ` ${trouble.advice}`;
  const state = explainSync(status);
  if (state === null) return `${explainConnection(status, now)}${advice ?? ''}`;
  if (sync !== 'inactive') return `${state}${sync === 'dying' ? ` ${explainConnection(status, now)}` : ''}`;
  return connection.state === 'disconnected'
    ? `${state} ${explainReason(connection.reason)}.${advice ?? ' resume() starts it again.'}`
    : state;
};
