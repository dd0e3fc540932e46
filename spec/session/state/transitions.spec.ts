import type { SessionEvent } from '../../../lib/session/state/session-events.js';
import { reduceSession } from '../../../lib/session/state/session-reducer.js';
import { createInitialState, type SessionState } from '../../../lib/session/state/session-state.js';
import { SessionClosedError, SyncError } from '../../../lib/model/errors.js';
import type { SyncState } from '../../../lib/session/state/status.js';
import { type SyncInput, transitions } from '../../../lib/session/state/transitions.js';

const none = { written: 0, acknowledged: 0, acknowledgedBytes: 0, changesets: 0, bytes: 0 };
const some = { written: 1, acknowledged: 0, acknowledgedBytes: 0, changesets: 1, bytes: 10 };
const by = new SessionClosedError('over');

/** Every input of the table as the event that causes it, with the outbox at that time. */
const events: Readonly<Record<SyncInput, readonly [SessionEvent, typeof none]>> = {
  open: [{ type: 'input', input: 'open' }, none],
  close: [{ type: 'closed', immediately: true, by }, some],
  closeUnsent: [{ type: 'closed', immediately: false, by }, some],
  pause: [{ type: 'input', input: 'pause' }, none],
  resume: [{ type: 'input', input: 'resume' }, none],
  expired: [{ type: 'input', input: 'expired' }, none],
  token: [{ type: 'input', input: 'token' }, none],
  uploaded: [{ type: 'outbox', outbox: none }, some],
  fatal: [{ type: 'fatal', error: new SyncError('unknown', 'no') }, none],
  logOut: [{ type: 'loggedOut', by }, none],
  logIn: [{ type: 'input', input: 'logIn' }, none],
};

const cells = (Object.keys(transitions) as SyncState[]).flatMap((from) =>
  (Object.keys(transitions[from]) as SyncInput[]).map((input) => [from, input, transitions[from][input]] as const),
);

const stateOf = (sync: SyncState, outbox: typeof none): SessionState =>
  createInitialState(sync, outbox, { version: 0, bytes: 0, ofBytes: null });

describe('the transition table', () => {
  it('has a cell for every state and every input', () => {
    expect(cells).toHaveLength(5 * 11);
  });

  it.each(cells)('%s, %s → %s', (from, input, to) => {
    const [event, outbox] = events[input];
    expect(reduceSession(stateOf(from, outbox), event).sync).toBe(to);
  });

  it('is left by a paused session through resume() alone', () => {
    expect(Object.entries(transitions.paused).filter(([, to]) => to !== 'paused')).toEqual([['resume', 'active']]);
  });

  it('leaves the very same state where nothing happens', () => {
    const state = stateOf('active', none);
    for (const event of [events.open[0], events.resume[0], events.token[0], events.logIn[0]]) {
      expect(reduceSession(state, event)).toBe(state);
    }
  });

  it('has no connection in a state that does not need one', () => {
    for (const input of ['pause', 'close', 'fatal', 'logOut'] as const) {
      const connected = {
        ...stateOf('active', none),
        connection: { state: 'connected', since: 0, roundTripMs: null } as const,
      };
      expect(reduceSession(connected, events[input][0]).connection.state).toBe('disconnected');
    }
  });
});
