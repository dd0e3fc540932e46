import { CompensatingWriteError, SessionClosedError } from '../../../lib/model/errors.js';
import { createInitialState } from '../../../lib/session/state/session-state.js';
import { waitForUpload } from '../../../lib/session/api/completion.js';
import { observeWrite } from '../../../lib/session/api/write-status.js';
import { RemoteSession } from '../../../lib/session/tabs/remote-session.js';
import { isSessionRecord, sessionStateOf, toSessionRecord } from '../../../lib/session/tabs/session-record.js';
import type { SessionState } from '../../../lib/session/state/session-state.js';

const outbox = { written: 1, acknowledged: 0, acknowledgedBytes: 0, changesets: 1, bytes: 9 };
const initial: SessionState = {
  ...createInitialState('active', outbox, { version: 0, bytes: 0, ofBytes: null }),
  sent: 1,
};

/** A state as another tab receives it. */
const copyOf = (state: SessionState): SessionState => sessionStateOf(structuredClone(toSessionRecord(state)));

const createFollower = (): RemoteSession =>
  new RemoteSession(copyOf(initial), { onReleased: () => undefined, onError: () => undefined }, () => undefined);

const acknowledged: SessionState = {
  ...initial,
  outbox: { ...outbox, acknowledged: 1, changesets: 0, bytes: 0 },
  rejected: [new CompensatingWriteError(1, [{ type: 'Task', key: 'a', reason: 'no' }])],
};

describe('the session of a tab that follows', () => {
  it.each([
    ['', acknowledged],
    [
      ', also when waits are interrupted',
      { ...acknowledged, interruption: { times: 1, by: new SessionClosedError('Closed.') } },
    ],
  ])('shows a rejected write as rejected, and never as accepted%s', (_, state) => {
    const session = createFollower();
    const stages: string[] = [];
    observeWrite(session, 1).subscribe(({ state: stage }) => stages.push(stage));
    session.receive({ state: copyOf(state), upTo: 0, errors: [] });
    expect(stages).toEqual(['sent', 'rejected']);
  });

  it('shows a report that changes several fields as one state', () => {
    const session = createFollower();
    const shown: (readonly [number, number])[] = [];
    session.state$.subscribe((state) => shown.push([state.outbox.acknowledged, state.rejected.length]));
    session.receive({ state: copyOf(acknowledged), upTo: 0, errors: [] });
    expect(shown).toEqual([
      [0, 0],
      ...(shown.length > 2 ? [[0, 1]] : []), // Progress is shown before the waits that it completes.
      [1, 1],
    ]);
  });

  it('is not made of a record with more waits than a realm has', () => {
    const recordWith = (wanted: number) => toSessionRecord({ ...initial, marks: { wanted, answered: 7 } });
    expect([isSessionRecord(recordWith(1_007)), isSessionRecord(recordWith(Number.MAX_SAFE_INTEGER))]).toEqual([
      true,
      false,
    ]);
  });

  it('waits for the upload of a write that the leader has stored, and not reported yet', () => {
    const session = createFollower();
    const report = (written: number, answered: number): void => {
      const counts = { written, acknowledged: answered, changesets: written - answered };
      session.receive({ state: copyOf({ ...initial, outbox: { ...outbox, ...counts } }), upTo: 0, errors: [] });
    };
    report(1, 1);
    session.noteOutbox({ ...outbox, written: 2, acknowledged: 1 });
    expect(session.getState().outbox).toMatchObject({ written: 2, changesets: 1 });
    const versions: number[] = [];
    waitForUpload(session).subscribe((version) => versions.push(version));
    report(1, 1); // The session has not seen the write yet.
    expect(session.getState().outbox).toMatchObject({ written: 2, changesets: 1 });
    report(2, 1);
    expect(versions).toEqual([]);
    report(2, 2);
    expect(versions).toEqual([2]);
  });
});
