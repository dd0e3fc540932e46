/**
 * What an error hits: one object, one session, the connection with all its sessions, or the client with all its realms.
 */
export type ErrorLevel = 'object' | 'session' | 'connection' | 'client';

/** Everything that can be wrong with syncing: whom it hits, whether it ends anything, and what the user can do. */
export const syncErrors = {
  'connection-failed': { level: 'connection', fatal: false, advice: 'Nothing: it is tried again by itself.' },
  'server-error': { level: 'connection', fatal: false, advice: 'Nothing: it is tried again by itself, later.' },
  'server-refused': {
    level: 'connection',
    fatal: false,
    advice: 'The server asked not to be called again; call reconnect() when it is well.',
  },
  'too-large': {
    level: 'connection',
    fatal: true,
    advice: 'Raise the frame limit of what is between client and server.',
  },
  'protocol-violation': {
    level: 'connection',
    fatal: true,
    advice: 'Update the client or the server: they do not speak the same protocol.',
  },
  'token-refused': { level: 'client', fatal: true, advice: 'Log in again.' },
  'user-refused': { level: 'client', fatal: true, advice: 'Log in as a user who may use this server.' },
  'token-unavailable': {
    level: 'client',
    fatal: false,
    advice: 'Nothing: the app is asked for an access token again by itself.',
  },
  'write-refused': {
    level: 'session',
    fatal: false,
    advice: 'The write was taken back here; its reasons say what the server did not allow.',
  },
  stalled: {
    level: 'session',
    fatal: false,
    advice: 'Nothing here: it is tried again by itself. The server answers, but does not do its work.',
  },
  suspended: { level: 'session', fatal: false, advice: 'Nothing: this realm is tried again by itself.' },
  'replica-copied': {
    level: 'session',
    fatal: false,
    advice: 'Nothing: this copy of the data goes on as a device of its own, and nothing is lost.',
  },
  'no-such-realm': { level: 'session', fatal: true, advice: 'Check the name of the realm.' },
  'permission-denied': { level: 'session', fatal: true, advice: 'Ask the owner of the realm for access.' },
  'other-user': {
    level: 'session',
    fatal: true,
    advice:
      'Use a storage of its own for each user, or log out with `unsynced: "discard"` before another user logs in.',
  },
  'bad-changeset': {
    level: 'session',
    fatal: true,
    advice: 'Report it: this client wrote what the server cannot take.',
  },
  'history-changed': {
    level: 'session',
    fatal: true,
    advice: 'The server has another history; unsent changes are kept in the realm.',
  },
  replaced: { level: 'session', fatal: true, advice: 'The same local data syncs elsewhere; close it there first.' },
  'unreadable-change': { level: 'session', fatal: true, advice: 'Update the app: it cannot read what others write.' },
  'object-set-aside': {
    level: 'object',
    fatal: false,
    advice: 'Update the app, or change or delete the object in a version of the app that can show it; nothing is lost.',
  },
  storage: {
    level: 'session',
    fatal: true,
    advice: 'Free space on the device or check its storage, then open the realm again.',
  },
  unknown: { level: 'session', fatal: true, advice: 'Report it with the text of the server.' },
} as const satisfies Record<string, { level: ErrorLevel; fatal: boolean; advice: string }>;

export type SyncErrorCode = keyof typeof syncErrors;
