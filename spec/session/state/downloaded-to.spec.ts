import { reduceSession } from '../../../lib/session/state/session-reducer.js';
import { createInitialState, type SessionState } from '../../../lib/session/state/session-state.js';
import { boundFields } from '../../protocol/bound-fields.js';

const outbox = { changesets: 0, bytes: 0, written: 1, acknowledged: 1, acknowledgedBytes: 40 };
const bound = (head: number) =>
  ({
    type: 'bound',
    session: 1,
    history: 'h',
    head,
    headBytes: 40,
    accepted: 1,
    serverTime: 0,
    frameBytesMax: 1_000_000,
    ...boundFields,
    snapshot: null,
  }) as const;
const connecting = { type: 'connection', connection: { state: 'connecting', attempt: 1 } } as const;

describe('the downloaded version', () => {
  const begun = (): SessionState => {
    const first = createInitialState('active', outbox, { version: 0, bytes: 0, ofBytes: null });
    return reduceSession(
      reduceSession(reduceSession(first, connecting), {
        type: 'bound',
        bound: bound(1),
        downloadedTo: 0,
        isFresh: false,
        at: 1,
      }),
      {
        type: 'marked',
        request: 1,
        version: 1,
        at: 2,
      },
    );
  };

  it('stays the same when a session is bound again: changes of the replica itself move no cursor', () => {
    const state = begun();
    expect(state.downloaded.version).toBe(1);
    const again = reduceSession(state, { type: 'bound', bound: bound(2), downloadedTo: 0, isFresh: false, at: 3 });
    expect(again.downloaded).toEqual({ version: 1, behind: 2 });
  });

  it('begins again with another history', () => {
    const again = reduceSession(begun(), { type: 'bound', bound: bound(2), downloadedTo: 0, isFresh: true, at: 3 });
    expect(again.downloaded.version).toBe(0);
  });
});
