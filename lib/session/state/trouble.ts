import type { SyncError } from '../../model/errors.js';
import type { SessionEvent } from './session-events.js';
import type { SyncState } from './status.js';
import { needsConnection } from './transitions.js';

/** The part of a session's state that decides about `trouble$`. */
interface TroubleState {
  readonly trouble: SyncError | null;
  readonly sync: SyncState;
  readonly stall: { readonly since: number | null };
  readonly released: boolean;
}

/** Whether an error describes the session. Rejected writes and objects that are set aside have lists of their own. */
const isSessionError = ({ code, level }: SyncError): boolean => code !== 'write-refused' && level !== 'object';

/** Returns the current error after an event, as `SyncSession.trouble$` defines it. */
const reduceTrouble = (before: TroubleState, after: TroubleState, event: SessionEvent): SyncError | null => {
  const { trouble } = before;
  switch (event.type) {
    case 'trouble':
      return isSessionError(event.error) ? event.error : trouble;
    case 'fatal':
      return before === after ? trouble : event.error;
    case 'bound':
      return needsConnection(before.sync) ? null : trouble;
    case 'loggedOut':
    case 'closed':
      return null;
    case 'input': {
      const { input } = event;
      const isAnswered =
        input === 'pause' ||
        (input === 'logIn' && trouble?.level === 'client') ||
        (input === 'resume' && trouble?.code === 'storage') ||
        (input === 'token' && !event.isOld && trouble?.code === 'token-unavailable');
      return isAnswered ? null : trouble;
    }
    default:
      return trouble?.code === 'stalled' && after.stall.since === null ? null : trouble;
  }
};

/** Returns the state after an event with its current error, and the same object when that error is unchanged. */
export const updateTrouble = <S extends TroubleState>(before: S, after: S, event: SessionEvent): S => {
  const trouble = before.released ? before.trouble : reduceTrouble(before, after, event);
  return trouble === after.trouble ? after : { ...after, trouble };
};
