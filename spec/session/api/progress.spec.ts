import fc from 'fast-check';
import { map, NEVER, type Observable, take } from 'rxjs';
import { InvalidArgumentError, SessionClosedError } from '../../../lib/model/errors.js';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import { ShownState, type SessionStore } from '../../../lib/session/state/session-store.js';
import { observeProgress, type Progress, type ProgressMode } from '../../../lib/session/api/progress.js';
import type { OutboxState } from '../../../lib/model/sync-port.js';
import { createInitialState } from '../../../lib/session/state/session-state.js';
import { marbles } from '../../../lib/testing/marbles.js';
import { createAnsweringServer, runAt, closeRealm, createScriptedDial, createTestSession } from '../test-kit.js';
import { anyEvents, createSimulatedSession } from '../simulated-events.js';

const none: OutboxState = { written: 0, acknowledged: 0, acknowledgedBytes: 0, changesets: 0, bytes: 0 };
const fresh = { version: 0, bytes: 0, ofBytes: null };

/** Formats progress as one line: `bytes of bytes, changesets of changesets, estimate`. */
const linesOf = (progress$: Observable<Progress>): Observable<string> =>
  progress$.pipe(
    map(
      (p) =>
        `${p.transferredBytes}/${p.transferableBytes} ${p.transferredChangesets}/${p.transferableChangesets ?? '?'} ${p.estimate.toFixed(2)}`,
    ),
  );

/** Creates a server that acknowledges each upload after 3 ms, one changeset after the other. */
const oneByOne = (m: Parameters<typeof createScriptedDial>[0]) =>
  createAnsweringServer({
    answers: (message) => {
      if (message.type !== 'upload') return undefined;
      const { session, changesets } = message;
      const answers = Object.fromEntries<ServerMessage>(
        changesets.map(({ version }, index) => [
          String.fromCharCode(97 + index),
          { type: 'accepted', session, version } as const,
        ]),
      );
      return m.cold(`--${Object.keys(answers).join('')}`, answers);
    },
  });

const upload = (mode: ProgressMode) => ({ direction: 'upload', mode }) as const;
const download = (mode: ProgressMode) => ({ direction: 'download', mode }) as const;

describe('progress$ of uploads', () => {
  it(
    'P2 P3 emits the current value, then every change, in bytes and changesets, until it is unsubscribed',
    marbles((m) => {
      const { session, realm } = createTestSession(m, { dial: createScriptedDial(m, ['----w', oneByOne(m)]).dial });
      runAt(m, '-(ww)-----w', { w: () => realm.write(68) });
      const listening = '--^-------------!';
      const expected = ' --a---bc--d-e---';
      m.expectObservable(linesOf(session.progress$(upload('reportIndefinitely'))), listening).toBe(expected, {
        a: '0/200 0/2 0.00',
        b: '100/200 1/2 0.50',
        c: '200/200 2/2 1.00',
        d: '200/300 2/3 0.00', // A new batch starts near 0.
        e: '300/300 3/3 1.00',
      });
    }),
  );

  it(
    'P4 reports the work that was outstanding, with a fixed total, and ends itself: later writes do not count',
    marbles((m) => {
      const { session, realm } = createTestSession(m, { dial: createScriptedDial(m, ['----w', oneByOne(m)]).dial });
      runAt(m, '-(ww)w', { w: () => realm.write(68) });
      const listening = '--^';
      const expected = ' --a---b(c|)';
      m.expectObservable(linesOf(session.progress$(upload('forCurrentlyOutstandingWork'))), listening).toBe(expected, {
        a: '0/200 0/2 0.00',
        b: '100/200 1/2 0.50',
        c: '200/200 2/2 1.00',
      });
    }),
  );

  it(
    'P5 gives exactly one value with estimate 1 and completes when nothing is outstanding',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: NEVER });
      m.expectObservable(linesOf(session.progress$(upload('forCurrentlyOutstandingWork')))).toBe('(a|)', {
        a: '0/0 0/0 1.00',
      });
    }),
  );

  it(
    'emits the progress before the wait that it completes, in any order of subscription',
    marbles((m) => {
      const reported: string[] = [];
      const { session, realm } = createTestSession(m, { dial: createScriptedDial(m, ['----w', oneByOne(m)]).dial });
      runAt(m, '-w', { w: () => realm.write(68) });
      runAt(m, '--s', {
        s: () => {
          session.uploadComplete$.subscribe(() => reported.push('complete'));
          session.progress$(upload('reportIndefinitely')).subscribe((p) => reported.push(String(p.estimate)));
        },
      });
      runAt(m, '---------x', { x: () => expect(reported).toEqual(['0', '1', 'complete']) });
    }),
  );

  it(
    'errors with what ended the session when its work was not done, and completes when it is indefinite',
    marbles((m) => {
      const opened = createTestSession(m, { dial: NEVER });
      runAt(m, '-w---c', { w: () => opened.realm.write(68), c: () => closeRealm(opened, true) });
      const { session } = opened;
      const a = '0/100 0/1 0.00';
      m.expectObservable(linesOf(session.progress$(upload('forCurrentlyOutstandingWork'))), '--^').toBe(
        '--a--#',
        { a },
        new SessionClosedError('closed'),
      );
      m.expectObservable(linesOf(session.progress$(upload('reportIndefinitely'))), '--^').toBe('--a--|', { a });
    }),
  );
});

describe('progress$ of downloads', () => {
  const pages = (m: Parameters<typeof createScriptedDial>[0]) =>
    createAnsweringServer({
      bound: { head: 40, headBytes: 4_000 },
      answers: (message) => {
        if (message.type !== 'mark') return undefined;
        const page = (upTo: number): ServerMessage => ({
          type: 'download',
          session: message.session,
          changesets: [],
          upTo,
          remaining: 40 - upTo,
          bytes: upTo * 100,
          remainingBytes: 4_000 - upTo * 100,
        });
        return m.cold('--abc', { a: page(10), b: page(30), c: page(40) });
      },
    });

  it(
    'P1 is silent before anything is known; P2 then emits the total that the server sent',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['----w', pages(m)]).dial });
      runAt(m, '------d', { d: () => session.downloadComplete$.subscribe() });
      const expected = '    ----a---bcd';
      const outstanding = ' ----a---bc(d|)';
      const values = {
        a: '0/4000 0/40 0.00',
        b: '1000/4000 10/40 0.25',
        c: '3000/4000 30/40 0.75',
        d: '4000/4000 40/40 1.00',
      };
      m.expectObservable(linesOf(session.progress$(download('reportIndefinitely'))), '^---------------!').toBe(
        expected,
        values,
      );
      m.expectObservable(linesOf(session.progress$(download('forCurrentlyOutstandingWork')))).toBe(outstanding, values);
    }),
  );
});

// ------------------------------------------------------------------------------------------------ a property

const machineOf = (): SessionStore =>
  new ShownState(createInitialState('active', none, fresh), {
    onShown: () => undefined,
    onReleased: () => undefined,
  });

describe('progress$, whatever happens', () => {
  it('P6 P7 never decreases and never repeats itself; the estimate stays within 0 and 1, and is 1 when nothing is outstanding', () => {
    fc.assert(
      fc.property(anyEvents, fc.constantFrom('upload' as const, 'download' as const), (script, direction) => {
        const machine = machineOf();
        const emitted: Progress[] = [];
        const runEvent = createSimulatedSession();
        observeProgress(machine, { direction, mode: 'reportIndefinitely' }).subscribe((p) => emitted.push(p));
        script.forEach((act) => machine.dispatch(runEvent(act)));
        emitted.forEach((p, index) => {
          const before = emitted[index - 1];
          expect(p.estimate).toBeGreaterThanOrEqual(0);
          expect(p.estimate).toBeLessThanOrEqual(1);
          expect(p.estimate === 1).toBe(p.transferredBytes === p.transferableBytes);
          if (!before) return;
          expect(p.transferredBytes).toBeGreaterThanOrEqual(before.transferredBytes);
          expect(p).not.toEqual(before);
        });
      }),
      { numRuns: 1_000 },
    );
  });

  it('P4 of outstanding work has a total that never grows, an estimate that never falls, and ends at exactly 1', () => {
    fc.assert(
      fc.property(
        anyEvents,
        anyEvents,
        fc.constantFrom('upload' as const, 'download' as const),
        (first, then, direction) => {
          const machine = machineOf();
          const runEvent = createSimulatedSession();
          first.forEach((act) => machine.dispatch(runEvent(act)));
          const emitted: Progress[] = [];
          let completed = false;
          observeProgress(machine, { direction, mode: 'forCurrentlyOutstandingWork' }).subscribe({
            next: (p) => emitted.push(p),
            complete: () => (completed = true),
          });
          then.forEach((act) => machine.dispatch(runEvent(act)));
          Array.from({ length: 100 }).forEach(() => machine.dispatch(runEvent(['accept', 2])));
          machine.dispatch(runEvent(['bound', 5]));
          Array.from({ length: 100 }).forEach(() => machine.dispatch(runEvent(['page', 3])));
          expect(completed).toBe(true);
          expect(emitted.at(-1)?.estimate).toBe(1);
          emitted.forEach((p, index) => {
            const before = emitted[index - 1];
            if (!before) return;
            expect(p.transferableBytes).toBeLessThanOrEqual(before.transferableBytes);
            expect(p.estimate).toBeGreaterThanOrEqual(before.estimate);
          });
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('P7 does not let bytes decrease, whatever a server sends', () => {
    const machine = machineOf();
    const emitted: number[] = [];
    observeProgress(machine, { direction: 'download', mode: 'reportIndefinitely' }).subscribe((p) =>
      emitted.push(p.transferredBytes),
    );
    const page = { type: 'downloaded', behind: 1, remainingBytes: 10, at: 0 } as const;
    machine.dispatch({ ...page, version: 1, bytes: 100 });
    machine.dispatch({ ...page, version: 2, bytes: 50 });
    expect(emitted).toEqual([100, 100]);
  });

  it('throws at the call for an invalid direction or mode', () => {
    const machine = machineOf();
    const asked = (options: unknown) => () => observeProgress(machine, options as never).pipe(take(1));
    expect(asked({ direction: 'sideways', mode: 'reportIndefinitely' })).toThrow(InvalidArgumentError);
    expect(asked({ direction: 'upload', mode: 'now and then' })).toThrow(InvalidArgumentError);
    expect(asked({ direction: 'upload', mode: 'reportIndefinitely', more: 1 })).toThrow(InvalidArgumentError);
  });
});
