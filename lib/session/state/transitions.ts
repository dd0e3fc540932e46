import type { SyncState } from './status.js';

/**
 * An event that can change `syncState`.
 *
 * - `open`: a handle of the realm was opened.
 * - `closeUnsent`: the last handle was closed with unsent changes, under the stop policy `afterChangesUploaded`.
 * - `close`: any other close.
 * - `pause`, `resume`: commands of the app.
 * - `expired`: the access token has expired, and the app was asked for a new one.
 * - `token`: the app has given a new access token.
 * - `uploaded`: the server has all changes.
 * - `fatal`: an error made the session inactive.
 * - `logOut`, `logIn`: the user was logged out or in.
 */
export type SyncInput =
  | 'open'
  | 'close'
  | 'closeUnsent'
  | 'pause'
  | 'resume'
  | 'expired'
  | 'token'
  | 'uploaded'
  | 'fatal'
  | 'logOut'
  | 'logIn';

/**
 * The transition table of `syncState`. docs/ARCHITECTURE.md has the list below, too.
 *
 * A cell that names its own row means that nothing happens. When a transition leads to `active` and the token has
 * expired, `expired` follows at once. When no user is logged in, `logOut` follows.
 *
 * ```
 * expired                 active ──▶ waitingForAccessToken
 * token                   waitingForAccessToken ──▶ active
 * closeUnsent             active ──▶ dying
 * uploaded                dying ──▶ inactive
 * close, fatal, logOut    active, dying, waitingForAccessToken ──▶ inactive
 * closeUnsent             waitingForAccessToken ──▶ inactive
 * open, resume            dying, inactive ──▶ active
 * logIn                   inactive ──▶ active
 * pause                   every state ──▶ paused
 * resume                  paused ──▶ active
 * ```
 *
 * @example
 * ```ts
 * const next: SyncState = transitions.active.pause; // 'paused'
 * ```
 */
export const transitions: Readonly<Record<SyncState, Readonly<Record<SyncInput, SyncState>>>> = {
  active: {
    open: 'active',
    close: 'inactive',
    closeUnsent: 'dying',
    pause: 'paused',
    resume: 'active',
    expired: 'waitingForAccessToken',
    token: 'active',
    uploaded: 'active',
    fatal: 'inactive',
    logOut: 'inactive',
    logIn: 'active',
  },
  dying: {
    open: 'active',
    close: 'inactive',
    closeUnsent: 'dying',
    pause: 'paused',
    resume: 'active',
    expired: 'dying',
    token: 'dying',
    uploaded: 'inactive',
    fatal: 'inactive',
    logOut: 'inactive',
    logIn: 'dying',
  },
  inactive: {
    open: 'active',
    close: 'inactive',
    closeUnsent: 'inactive',
    pause: 'paused',
    resume: 'active',
    expired: 'inactive',
    token: 'inactive',
    uploaded: 'inactive',
    fatal: 'inactive',
    logOut: 'inactive',
    logIn: 'active',
  },
  waitingForAccessToken: {
    open: 'waitingForAccessToken',
    close: 'inactive',
    closeUnsent: 'inactive',
    pause: 'paused',
    resume: 'waitingForAccessToken',
    expired: 'waitingForAccessToken',
    token: 'active',
    uploaded: 'waitingForAccessToken',
    fatal: 'inactive',
    logOut: 'inactive',
    logIn: 'waitingForAccessToken',
  },
  paused: {
    open: 'paused',
    close: 'paused',
    closeUnsent: 'paused',
    pause: 'paused',
    resume: 'active',
    expired: 'paused',
    token: 'paused',
    uploaded: 'paused',
    fatal: 'paused',
    logOut: 'paused',
    logIn: 'paused',
  },
};

/** Whether a session in this state needs a connection. */
export const needsConnection = (state: SyncState): boolean =>
  state === 'active' || state === 'dying' || state === 'waitingForAccessToken';
