import { distinctUntilChanged, map, of, startWith, switchMap, takeWhile, timer, type Observable } from 'rxjs';
import type { Reason, SyncState, SyncStatus } from 'tidemark';

/** The colour of the dot beside the text. */
export type Tone = 'good' | 'busy' | 'off';

export interface ConnectionText {
  readonly tone: Tone;
  readonly title: string;
  /** Why the device is not connected, or an empty text. */
  readonly reason: string;
}

const inWords = (reason: Reason): string => {
  switch (reason.kind) {
    case 'idle':
      return 'It has not tried yet.';
    case 'paused':
      return 'Syncing is paused.';
    case 'closed':
      return 'The realm is closed.';
    case 'logged-out':
      return 'No user is logged in.';
    case 'unreachable':
      return 'The server cannot be reached.';
    case 'timed-out':
      return reason.what === 'stall' ? 'The server makes no progress.' : 'The server does not answer.';
    case 'closed-by-server':
      return `The connection was closed (code ${reason.code}).`;
    case 'server-error':
      return `The server is not available: ${reason.text}`;
    case 'token-expired':
      return 'The login is being renewed.';
    case 'token-wanted':
      return 'It waits for a login.';
    case 'suspended':
      return `The server asked it to wait: ${reason.text}`;
    case 'failed':
      return `Syncing has stopped: ${reason.code}.`;
  }
};

/** Titles for states in which the client does not try to connect. */
const titles: Partial<Record<SyncState, string>> = { paused: 'Paused', waitingForAccessToken: 'Waiting' };

/** Describes a connection in words. */
export const describeConnection = ({ connection, sync }: SyncStatus, isSwitchedOff: boolean): ConnectionText => {
  if (connection.state === 'connected') {
    // The switch is for the client of this tab only.
    const reason = isSwitchedOff ? 'Another tab of this device has the connection.' : '';
    return { tone: 'good', title: 'Connected', reason };
  }
  if (connection.state === 'connecting' || connection.reason.kind === 'idle')
    return { tone: 'busy', title: 'Connecting', reason: '' };
  const reason = isSwitchedOff ? 'Its network is switched off.' : inWords(connection.reason);
  return { tone: 'off', title: titles[sync] ?? 'Offline', reason };
};

/** Emits the seconds until the next connection attempt, each second, and 0 while no attempt is planned. */
export const countDown = (status$: Observable<SyncStatus>): Observable<number> =>
  status$.pipe(
    map(({ connection }) => (connection.state === 'disconnected' ? connection.retryAt : null)),
    distinctUntilChanged(),
    switchMap((at) =>
      at === null
        ? of(0)
        : timer(Math.max(0, at - Date.now()) % 1_000, 1_000).pipe(
            startWith(0),
            map(() => Math.max(0, Math.ceil((at - Date.now()) / 1_000))),
            takeWhile((left) => left > 0, true),
          ),
    ),
  );
