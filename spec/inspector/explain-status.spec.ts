import { StalledError, SyncError, type Reason, type SyncStatus } from 'tidemark';
import { explainReason, explainStatus, formatBytes, formatWait } from '../../lib/inspector/explain-status.js';

const now = 1_700_000_000_000;
const connected: SyncStatus = {
  sync: 'active',
  connection: { state: 'connected', since: now - 5_000, roundTripMs: 3 },
  pending: { changesets: 0, bytes: 0 },
  downloaded: { version: 7, behind: 0 },
  lastSyncedAt: now,
  stalledSince: null,
};
const disconnected = (reason: Reason, retryAt: number | null): SyncStatus => ({
  ...connected,
  connection: { state: 'disconnected', reason, attempt: 2, retryAt },
});
const unreachable: Reason = { kind: 'unreachable', detail: 'no network' };

describe('explainStatus', () => {
  it.each<readonly [string, SyncStatus, string]>([
    ['in sync', connected, 'In sync with the server.'],
    [
      'a server that has not sent how much is left',
      { ...connected, downloaded: { version: 7, behind: null } },
      'Connected.',
    ],
    [
      'work in both directions',
      { ...connected, pending: { changesets: 2, bytes: 1_234 }, downloaded: { version: 7, behind: 1 } },
      'Connected: 2 changes (1.2 kB) not on the server yet, 1 change not here yet.',
    ],
    [
      'a stall',
      { ...connected, pending: { changesets: 1, bytes: 10 }, stalledSince: now - 12_000 },
      'Connected, but nothing has moved for 12 s: 1 change (10 B) not on the server yet.',
    ],
    ['the first attempt', { ...connected, connection: { state: 'connecting', attempt: 1 } }, 'Connecting.'],
    ['a later attempt', { ...connected, connection: { state: 'connecting', attempt: 4 } }, 'Connecting, attempt 4.'],
    [
      'a wait',
      disconnected(unreachable, now + 2_900),
      'Not connected: the server cannot be reached (no network). The next attempt begins in 3 s.',
    ],
    [
      'a wait that is over',
      disconnected(unreachable, now - 1),
      'Not connected: the server cannot be reached (no network). The next attempt begins now.',
    ],
    [
      'an app that was asked for a token',
      disconnected({ kind: 'token-wanted' }, null),
      'Not connected: the app has not given an access token yet.',
    ],
    [
      'a disconnect that lasts',
      disconnected({ kind: 'suspended', code: 'overloaded', text: '' }, null),
      'Not connected: the server reported "overloaded". No attempt is planned.',
    ],
    ['a pause', { ...disconnected({ kind: 'paused' }, null), sync: 'paused' }, 'Paused until resume() is called.'],
    [
      'a log-out',
      { ...disconnected({ kind: 'logged-out' }, null), sync: 'inactive' },
      'Inactive: no user is logged in. client.logIn() starts it again.',
    ],
    [
      'a closed realm',
      { ...disconnected({ kind: 'closed' }, null), sync: 'inactive' },
      'Inactive: the realm or its client was closed.',
    ],
    [
      'an app that could not give another token',
      { ...disconnected({ kind: 'token-wanted' }, now + 2_900), sync: 'waitingForAccessToken' },
      'Not connected: the app has not given an access token yet. The next attempt begins in 3 s.',
    ],
    [
      'an expired token',
      { ...disconnected({ kind: 'token-expired' }, null), sync: 'waitingForAccessToken' },
      'Not connected: the access token has expired.',
    ],
    [
      'a closed realm with unsent changes',
      { ...connected, sync: 'dying', pending: { changesets: 1, bytes: 10 } },
      'The realm was closed, and uploads its last changes. Connected: 1 change (10 B) not on the server yet.',
    ],
  ])('says %s', (_, status, expected) => {
    expect(explainStatus(status, null, now)).toBe(expected);
  });

  it('adds the advice of the current error', () => {
    const error = new SyncError('connection-failed', 'The server cannot be reached.');
    expect(explainStatus(disconnected(unreachable, now + 1_000), error as never, now)).toContain(` ${error.advice}`);
    const failed: SyncStatus = { ...disconnected({ kind: 'failed', code: 'storage' }, null), sync: 'inactive' };
    const fatal = new SyncError('storage', 'No space.');
    expect(explainStatus(failed, fatal as never, now)).toBe(
      `Inactive: the error "storage" ended the session. ${fatal.advice}`,
    );
    expect(explainStatus(connected, new StalledError(now), now)).toContain('Nothing to do');
    const waiting: SyncStatus = { ...disconnected({ kind: 'token-wanted' }, null), sync: 'waitingForAccessToken' };
    const unavailable = new SyncError('token-unavailable', 'The login is away.');
    expect(explainStatus(waiting, unavailable as never, now)).toContain(` ${unavailable.advice}`);
  });
});

describe('explainReason', () => {
  it.each<readonly [Reason, string]>([
    [{ kind: 'idle' }, 'it has not tried to connect yet'],
    [{ kind: 'closed' }, 'the realm or its client was closed'],
    [{ kind: 'timed-out', what: 'read' }, 'nothing arrived for the read timeout'],
    [{ kind: 'timed-out', what: 'stall' }, 'no work progressed'],
    [{ kind: 'closed-by-server', code: 1006, text: '' }, 'the connection broke (1006)'],
    [{ kind: 'closed-by-server', code: 1006, text: 'cut' }, 'the connection broke (1006, cut)'],
    [{ kind: 'closed-by-server', code: 1013, text: '' }, 'the server closed the connection with 1013'],
    [{ kind: 'closed-by-server', code: 1013, text: 'busy' }, 'the server closed the connection with 1013 (busy)'],
    [{ kind: 'server-error', code: 'restarting', text: '' }, 'the server reported "restarting"'],
    [{ kind: 'suspended', code: 'overloaded', text: 'later' }, 'the server reported "overloaded" (later)'],
  ])('explains %j', (reason, expected) => {
    expect(explainReason(reason)).toBe(expected);
  });
});

describe('sizes and durations', () => {
  it('have one unit', () => {
    expect([0, 999, 1_000, 1_250_000].map(formatBytes)).toEqual(['0 B', '999 B', '1.0 kB', '1.3 MB']);
    expect([1, 1_000, 1_001, 99_000, 150_000].map(formatWait)).toEqual(['1 s', '1 s', '2 s', '99 s', '3 min']);
  });
});
