import {
  type AnySyncError,
  ClientResetError,
  CompensatingWriteError,
  StalledError,
  SyncError,
  syncErrors,
  type SyncErrorCode,
} from '../../lib/index.js';
import { EMPTY } from 'rxjs';

/**
 * Returns a text that an app might show. The function does not compile when a code is missing, and each code has fields
 * of its own.
 */
const shown = (error: AnySyncError): string => {
  switch (error.code) {
    case 'connection-failed':
    case 'server-error':
    case 'server-refused':
    case 'too-large':
    case 'protocol-violation':
    case 'token-refused':
    case 'token-unavailable':
    case 'user-refused':
    case 'suspended':
    case 'no-such-realm':
    case 'needs-subscriptions':
    case 'no-subscriptions':
    case 'permission-denied':
    case 'other-user':
    case 'replica-copied':
    case 'bad-changeset':
    case 'replaced':
    case 'unreadable-change':
    case 'storage':
    case 'unknown':
      return error.advice;
    case 'stalled':
      return `stuck since ${error.since}`;
    case 'write-refused':
      return error.writes.map(({ reason }) => reason).join();
    case 'history-changed':
      return error.why;
    case 'object-set-aside':
      return error.object?.property ?? 'more';
    default:
      return error satisfies never;
  }
};

describe('the errors of a session', () => {
  it('are one union: a switch on the code is exhaustive and narrows to the fields of each', () => {
    expect(shown(new StalledError(5))).toBe('stuck since 5');
    expect(shown(new CompensatingWriteError(1, [{ type: 'Task', key: 'a', reason: 'no' }]))).toBe('no');
    expect(shown(new ClientResetError('restored', 'manual', () => EMPTY))).toBe('manual');
    expect(shown(new SyncError('storage', 'full'))).toBe(syncErrors.storage.advice);
  });

  it.each(Object.keys(syncErrors) as SyncErrorCode[])(
    'have a level, whether they are fatal, and an advice: %s',
    (code) => {
      const cause = new Error('cause');
      const error = new SyncError(code, 'text', { cause });
      expect(['object', 'session', 'connection', 'client']).toContain(error.level);
      expect(error).toMatchObject({ code, message: 'text', cause, fatal: syncErrors[code].fatal });
      expect(error.advice).toMatch(/\.$/);
    },
  );
});
