import type { SyncError } from '../../model/errors.js';
import type { SessionEvent } from './session-events.js';
import type { SyncState } from './status.js';
import { needsConnection } from './transitions.js';

/** What decides about the trouble of a session. */
interface TroubleState {
  readonly trouble: SyncError | null;
  readonly sync: SyncState;
  readonly stall: { readonly since: number | null };
  readonly released: boolean;
}

/**
 * Whether an error says how the session is, and not what became of one write or object: those have lists of their own.
 */
const isSessionError = ({ code, level }: SyncError): boolean => code !== 'write-refused' && level !== 'object';

/** The present trouble after an event, as `SyncSession.trouble$` defines it. */
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

/** The state after an event with its trouble; the very same object when that is as before. */
export const updateTrouble = <S extends TroubleState>(before: S, after: S, event: SessionEvent): S => {
  const trouble = before.released ? before.trouble : reduceTrouble(before, after, event);
  return trouble === after.trouble ? after : { ...after, trouble };
};
