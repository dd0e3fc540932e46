/**
 * The part that an error affects. `object`: one object. `session`: one realm. `connection`: the connection and all its
 * sessions. `client`: the user and all sessions.
 */
export type ErrorLevel = 'object' | 'session' | 'connection' | 'client';

/**
 * All codes of sync errors, each with the affected part, whether the error ends the session, and one sentence of
 * advice.
 *
 * @example
 * ```ts
 * const { fatal, advice } = syncErrors['permission-denied'];
 * ```
 */
export const syncErrors = {
  'connection-failed': {
    level: 'connection',
    fatal: false,
    advice: 'The client reconnects by itself. If it never connects, check the url and the certificate.',
  },
  'server-error': {
    level: 'connection',
    fatal: false,
    advice: 'The client reconnects by itself, after a longer wait. If it never syncs, read the log of the server.',
  },
  'server-refused': {
    level: 'connection',
    fatal: false,
    advice: 'Call reconnect() when the server is available again: the server asked clients to stop connecting.',
  },
  'too-large': {
    level: 'connection',
    fatal: true,
    advice: 'Raise the frame limit of the server or of the proxy in front of it.',
  },
  'protocol-violation': {
    level: 'connection',
    fatal: true,
    advice: 'Update the client or the server: their protocols differ.',
  },
  'token-refused': {
    level: 'client',
    fatal: true,
    advice: 'Log in again. The option accessToken must give a valid token.',
  },
  'user-refused': { level: 'client', fatal: true, advice: 'Log in as a user who may use this server.' },
  'token-unavailable': {
    level: 'client',
    fatal: false,
    advice:
      'The client asks the app for an access token again by itself. If it gets none, check the option accessToken.',
  },
  'write-refused': {
    level: 'session',
    fatal: false,
    advice: 'Read the reasons of the error: the server does not allow this write, and it was rolled back.',
  },
  stalled: {
    level: 'session',
    fatal: false,
    advice: 'Nothing to do: the client keeps trying, although the server answers without doing its work.',
  },
  suspended: {
    level: 'session',
    fatal: false,
    advice: 'The client tries this realm again by itself. If it never syncs, read the log of the server.',
  },
  'replica-copied': {
    level: 'session',
    fatal: false,
    advice: 'Nothing to do: this copy of the data continues as a replica of its own, and nothing is lost.',
  },
  'no-such-realm': { level: 'session', fatal: true, advice: 'Check the name of the realm.' },
  'permission-denied': { level: 'session', fatal: true, advice: 'Ask the owner of the realm for access.' },
  'other-user': {
    level: 'session',
    fatal: true,
    advice: 'Use a separate storage for each user, or log out with `unsynced: "discard"` before another user logs in.',
  },
  'bad-changeset': {
    level: 'session',
    fatal: true,
    advice: 'Report this as a bug: the server cannot read what this client wrote.',
  },
  'history-changed': {
    level: 'session',
    fatal: true,
    advice: 'Call reset() of the error: the server has another history, and the realm keeps unsent changes.',
  },
  'no-subscriptions': {
    level: 'session',
    fatal: true,
    advice: 'Update the server, or open the realm without subscriptions: this one would send all objects.',
  },
  'needs-subscriptions': {
    level: 'session',
    fatal: true,
    advice: 'Open the realm with subscriptions: the user may see a part of it.',
  },
  replaced: { level: 'session', fatal: true, advice: 'Close the other client that syncs the same local data.' },
  'unreadable-change': {
    level: 'session',
    fatal: true,
    advice: 'Update the app: it cannot read changes of newer versions.',
  },
  'object-set-aside': {
    level: 'object',
    fatal: false,
    advice: 'Update the app, or change or delete the object with a version of the app that shows it. Nothing is lost.',
  },
  storage: {
    level: 'session',
    fatal: true,
    advice: 'Free space on the device or check its storage, then open the realm again.',
  },
  unknown: { level: 'session', fatal: true, advice: 'Report this with the text of the server.' },
} as const satisfies Record<string, { level: ErrorLevel; fatal: boolean; advice: string }>;

/** The code of a sync error: `error.code`. */
export type SyncErrorCode = keyof typeof syncErrors;
