import fc from 'fast-check';
import { map, tap, type Observable } from 'rxjs';
import { SessionClosedError, StalledError, type CompensatingWriteError } from '../../lib/model/errors.js';
import type { ProgressDirection, ProgressMode } from '../../lib/session/api/progress.js';
import type { Recordable } from '../../lib/session/recording/record.js';
import {
  fakeSession,
  marbles,
  play,
  RecordingError,
  stateLetters,
  type MarbleHelpers,
} from '../../lib/testing/index.js';
import {
  durationOf,
  anySession,
  createRandomSession,
  createRecordable,
  type RandomSession,
} from '../session/recording/random-sessions.js';
import { callingStatusText, recordSession, createRecordingText } from './recording-texts.js';

/** Returns the values that a stream emits, with their times: `[frame, value]`. */
const emitted = <T>(ms: number, streamIn: (m: MarbleHelpers) => Observable<T>): readonly (readonly [number, T])[] => {
  const found: [number, T][] = [];
  const test = (m: MarbleHelpers): void => {
    const noted$ = streamIn(m).pipe(
      tap({ next: (value) => found.push([m.clock.now(), value]), error: () => undefined }),
    );
    m.scheduler.schedule(() => noted$.subscribe({ error: () => undefined }), 0);
  };
  marbles(test, { framesMax: Math.max(1, ms) })();
  return found;
};

/** Returns a time after the last event of a session. */
const longest = ({ connection, sync, status, upload, download, errors }: RandomSession): number =>
  1 + Math.max(...[connection, sync, status, upload, download, errors].map((script) => durationOf(script)));

describe('a recording that is played', () => {
  it('has the diagrams from which it was made, whatever was recorded', () => {
    fc.assert(
      fc.property(anySession, (session) => {
        const first = recordSession(longest(session), (m) => createRandomSession(m, session));
        const again = recordSession(longest(session), ({ clock }) => play(first, clock).streams);
        expect(again).toBe(first);
      }),
    );
  });

  it('emits every value at its time, unchanged except for its texts', () => {
    fc.assert(
      fc.property(anySession, (session) => {
        const ms = longest(session);
        const report = recordSession(ms, (m) => createRandomSession(m, session));
        for (const of of [
          ({ status$ }: Recordable) => status$,
          ({ connectionState$ }: Recordable) => connectionState$,
          ({ syncState$ }: Recordable) => syncState$,
          ({ progress$ }: Recordable) => progress$({ direction: 'upload', mode: 'reportIndefinitely' }),
          ({ progress$ }: Recordable) => progress$({ direction: 'download', mode: 'reportIndefinitely' }),
          ({ errors$ }: Recordable) => errors$.pipe(map(({ code, level }) => ({ code, level }))),
        ] as readonly ((session: Recordable) => Observable<unknown>)[]) {
          const played = emitted(ms, ({ clock }) => of(play(report, clock).streams));
          expect(played).toEqual(emitted(ms, (m) => of(createRandomSession(m, session))));
        }
      }),
      { numRuns: 30 },
    );
  });

  it(
    'begins again with each subscription, and counts the times in its values from there',
    marbles((m) => {
      const report = createRecordingText(
        'at 0ms',
        'status  a---b',
        'errors  -----a',
        `status a: ${callingStatusText}`,
        'status b: connection=disconnected reason=timed-out:connect attempt=1 retry=+1.5s stalled=-2m',
        'errors a: stalled since=-1m',
      );
      const { streams } = play(report, { ...m.clock, now: () => 1_000_000 + m.clock.now() });
      const times$ = streams.status$.pipe(
        map(({ connection, stalledSince }) => [
          connection.state === 'disconnected' && connection.retryAt,
          stalledSince,
        ]),
      );
      const values = { a: [false, null], b: [1_001_504, 880_004], c: [1_001_514, 880_014] };
      m.expectObservable(times$).toBe('         a---b', values);
      m.expectObservable(times$, '----------^').toBe('----------a---c', values);
      const since$ = streams.errors$.pipe(map((error) => error instanceof StalledError && error.since));
      m.expectObservable(since$).toBe('        -----s', { s: 940_005 });
    }),
  );

  it(
    'is a fake session, in which all other streams are silent',
    marbles((m) => {
      const { streams } = play(createRecordingText('at 0ms', 'connection  (dc) 9ms C 59.989s d 1s (cC|)'), m.clock);
      const session = fakeSession(streams);
      m.expectStates(session.connectionState$).toBe('(dc) 6ms C 59.989s d 1s (cC|)');
      const changes$ = session.connectionChanges$.pipe(map(({ previous, current }) => `${previous} ${current}`));
      const values = { a: 'disconnected connecting', b: 'connecting connected', c: 'connected disconnected' };
      m.expectObservable(changes$).toBe('a 9ms b 59.989s c 1s (ab|)', values);
      m.expectObservable(session.errors$).toBe('-');
    }),
  );

  it(
    'has progress of the outstanding work like a session: with a fixed total and a completion',
    marbles((m) => {
      const report = createRecordingText(
        'at 0ms',
        'upload    a-b-c-d',
        'download  a-b|',
        'upload a: bytes=100/300 changesets=1/3 estimate=0',
        'upload b: bytes=200/500 changesets=2/5 estimate=0.25',
        'upload c: bytes=400/500 changesets=4/5 estimate=0.75',
        'upload d: bytes=500/500 changesets=5/5 estimate=1',
        'download a: bytes=0/9 changesets=0/unknown estimate=0',
        'download b: bytes=6/9 changesets=6/9 estimate=0.6667',
      );
      const { streams } = play(report, m.clock);
      const progressOf = (direction: ProgressDirection, mode: ProgressMode) =>
        streams
          .progress$({ direction, mode })
          .pipe(map((p) => `${p.transferredBytes}/${p.transferableBytes} ${p.transferredChangesets} ${p.estimate}`));
      const values = { a: '100/300 1 0', b: '200/300 2 0.5', c: '300/300 3 1', A: '0/9 0 0', B: `6/9 6 ${2 / 3}` };
      m.expectObservable(progressOf('upload', 'forCurrentlyOutstandingWork')).toBe('a-b-(c|)', values);
      const over = new SessionClosedError('The session has ended. Open the realm again.');
      m.expectObservable(progressOf('download', 'forCurrentlyOutstandingWork')).toBe('A-B#', values, over);
      const all = { a: '100/300 1 0', b: '200/500 2 0.25', c: '400/500 4 0.75', d: '500/500 5 1' };
      m.expectObservable(progressOf('upload', 'reportIndefinitely')).toBe('a-b-c-d', all);
      expect(() => progressOf('upload', 'now and then' as never)).toThrow('mode must be reportIndefinitely or');
    }),
  );

  it('has errors of the recorded classes and codes', () => {
    const report = createRecordingText(
      'at 0ms',
      'errors (abcd|)',
      'errors a: write-refused version=7',
      'errors b: token-refused',
      'errors c: history-changed why=again',
      'errors d: stalled since=+0ms',
    );
    const errors = emitted(10, ({ clock }) => play(report, clock).streams.errors$).map(([, error]) => error);
    expect(errors.map(({ name, code, fatal }) => [name, code, fatal])).toEqual([
      ['CompensatingWriteError', 'write-refused', false],
      ['SyncError', 'token-refused', true],
      ['ClientResetError', 'history-changed', true],
      ['StalledError', 'stalled', false],
    ]);
    expect((errors[0] as CompensatingWriteError).version).toBe(7);
  });

  it('has the time when it was made and its duration', () => {
    expect(play(createRecordingText())).toMatchObject({
      began: Date.UTC(2026, 10, 24, 2, 28, 49, 123),
      until: 600_000,
    });
  });

  it(
    'is parsed as it comes back from an email: indented, with other line ends and empty lines',
    marbles((m) => {
      const report = createRecordingText('at 0ms', 'sync a 5ms p', '', 'at 1.5m', 'sync i');
      const mailed = `\r\n${report
        .split('\n')
        .map((line) => `  ${line} `)
        .join('\r\n')}\r\n\r\n`;
      m.expectStates(play(mailed, m.clock).streams.syncState$).toBe('a 5ms p 89.993s i');
    }),
  );

  it('uses the letters of all marble tests', () => {
    const legend = recordSession(1, () => createRecordable({})).split('\n')[3];
    expect(legend).toBe(
      `letters ${Object.entries(stateLetters)
        .map((pair) => pair.join(' '))
        .join(', ')}`,
    );
  });

  it('fails only with a RecordingError, whatever is broken in it', () => {
    const broken = fc.tuple(anySession, fc.nat(), fc.constantFrom('', '-', ')', '9', 'x', '|', ' ', '\n', '='));
    fc.assert(
      fc.property(broken, ([session, position, what]) => {
        const report = recordSession(longest(session), (m) => createRandomSession(m, session));
        const at = position % report.length;
        try {
          play(report.slice(0, at) + what + report.slice(at + 1));
        } catch (error) {
          expect(error).toBeInstanceOf(RecordingError);
        }
      }),
    );
  });
});
