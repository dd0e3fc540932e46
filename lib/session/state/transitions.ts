import type { SyncState } from './status.js';

/**
 * What can happen to `syncState`. `closeUnsent` is the last handle closed under the stop policy `afterChangesUploaded`
 * with changes unsent, `close` every other close; `expired`: the access token has expired and a new one was asked for.
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
 * The whole of `syncState` (docs/ARCHITECTURE.md draws it from this table). A cell that names its own row means that
 * nothing happens. Where active is meant and the token has expired, `expired` follows at once; where nobody is logged
 * in, `logOut`.
 *
 * ```
 *                 pause                        fatal, logOut, close
 *      paused ◀───────────── any ─────────────▶ inactive ◀─────┐
 *        │ resume                                  │ open,      │ uploaded,
 *        ▼            closeUnsent                  ▼ resume …   │ fatal, logOut
 *      active ───────────────────────────────▶ dying ───────────┘
 *        ▲ │ expired            open, resume ◀──┘ (active)
 *  token │ ▼
 *   waitingForAccessToken
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

/** Whether a session in this state wants the line. */
export const needsConnection = (state: SyncState): boolean =>
  state === 'active' || state === 'dying' || state === 'waitingForAccessToken';
