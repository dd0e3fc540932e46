import fc from 'fast-check';
import { defer, EMPTY, NEVER, of, range, map, throwError } from 'rxjs';
import {
  ClientResetError,
  CompensatingWriteError,
  InvalidArgumentError,
  StalledError,
  SyncError,
} from '../../../lib/model/errors.js';
import { record, type Recording, type RecordOptions } from '../../../lib/session/recording/record.js';
import type { ConnectionStatus } from '../../../lib/session/state/status.js';
import { marbles, type MarbleHelpers } from '../../../lib/testing/marbles.js';
import {
  createAnsweringServer,
  runAt,
  closeRealm,
  createEndingWire,
  createScriptedDial,
  createTestSession,
} from '../test-kit.js';
import { createRecordable, createStatus } from './random-sessions.js';

const connections = { d: 'disconnected', c: 'connecting', C: 'connected' } as const;
const syncs = { a: 'active', p: 'paused', i: 'inactive' } as const;

/** Returns the text of a recording at a moment of virtual time. */
const textAt = (m: MarbleHelpers, recording: Recording, ms: number): { text: string } => {
  const found = { text: '' };
  m.scheduler.schedule(() => (found.text = recording.text()), ms);
  return found;
};

/** Returns the lines of a recording without its head. */
const body = (text: string): readonly string[] => text.trimEnd().split('\n').slice(5);

/** Runs a marble test, and returns its result after virtual time has ended. */
const afterwards = (test: (m: MarbleHelpers) => () => void) => (): void => {
  const then: (() => void)[] = [];
  marbles((m) => {
    then.push(test(m));
  })();
  then.forEach((check) => check());
};

describe('a recording', () => {
  it(
    'draws every stream of a session under each other: a column is a moment, and the meanings of the letters follow',
    afterwards((m) => {
      const retrying: ConnectionStatus = {
        state: 'disconnected',
        reason: { kind: 'closed-by-server', code: 1006, text: '' },
        attempt: 1,
        retryAt: 4_620,
      };
      const statuses = {
        a: createStatus(),
        b: createStatus({ connection: { state: 'connecting', attempt: 1 } }),
        c: createStatus({ connection: { state: 'connected', since: 120, roundTripMs: null }, lastSyncedAt: 120 }),
        e: createStatus({ connection: retrying, lastSyncedAt: 120, pending: { changesets: 2, bytes: 300 } }),
      };
      const done = { transferredChangesets: 0, transferableChangesets: null };
      const uploads = {
        a: { ...done, transferredBytes: 0, transferableBytes: 0, estimate: 1 },
        b: { ...done, transferredBytes: 100, transferableBytes: 300, estimate: 1 / 3 },
      };
      // prettier-ignore
      const session = createRecordable({
        connectionState$: m.cold('(dc) 116ms C 3.4s   d', connections),
        syncState$:       m.cold('a    119ms -- 3.397s p', syncs),
        status$:          m.cold('(ab) 116ms c 3.399s e', statuses),
        errors$:          m.cold('     3.520s x', { x: new SyncError('connection-failed', '') }),
        progress$: ({ direction }) => direction === 'upload' ? m.cold('a 3.398s b', uploads) : NEVER,
      });
      const found = textAt(m, record(session, { clock: m.clock }), 4_000);
      return () =>
        expect(found.text.split('\n')).toEqual([
          'tidemark recording 1',
          'began 1970-01-01T00:00:00.000Z',
          'until 4s',
          'letters d disconnected, c connecting, C connected, a active, p paused, i inactive, y dying, t waitingForAccessToken',
          '',
          'at 0ms',
          'connection  (dc) 119ms C 3.278s - 119ms --d',
          'sync        a    119ms - 3.278s - 119ms p',
          'status      (ab) 119ms c 3.278s - 119ms -d',
          'upload      a    119ms - 3.278s b',
          'errors      -    119ms - 3.278s - 119ms -a',
          'status a: sync=active connection=disconnected reason=idle attempt=0 retry=never pending=0/0B downloaded=0 behind=unknown synced=never stalled=no',
          'status b: connection=connecting attempt=1',
          'status c: connection=connected since=+0ms ping=none synced=+0ms',
          'status d: connection=disconnected reason=closed-by-server:1006 attempt=1 retry=+1.1s pending=2/300B',
          'upload a: bytes=0/0 changesets=0/unknown estimate=1',
          'upload b: bytes=100/300 changesets=0/unknown estimate=0.3333',
          'errors a: connection-failed',
          '',
        ]);
    }),
  );

  it(
    'of a live session begins with the call, and ends with the session',
    afterwards((m) => {
      const { dial } = createScriptedDial(m, ['20ms w', createEndingWire(m, '3s x')], '5ms #', [
        '20ms w',
        createAnsweringServer(),
      ]);
      const opened = createTestSession(m, { dial });
      const recording = record(opened.session, { clock: m.clock });
      runAt(m, '10s p 1s x', {
        p: () => opened.session.pause(),
        x: () => closeRealm(opened, true),
      });
      const found = textAt(m, recording, 60_000);
      return () =>
        expect(body(found.text)).toEqual([
          'at 0ms',
          'connection  c 19ms C 2.999s d 174ms (cC) 6.804s d 1s |',
          'sync        a 19ms - 2.999s - 174ms -    6.804s p 1s |',
          'status      a 19ms b 2.999s c 174ms (de) 6.804s f 1s |',
          'upload      a 19ms - 2.999s - 174ms -    6.804s - 1s |',
          'download    - 19ms a 2.999s - 174ms -    6.804s - 1s |',
          'errors      - 19ms - 2.999s - 174ms -    6.804s - 1s |',
          'status a: sync=active connection=connecting attempt=1 pending=0/0B downloaded=0 behind=unknown synced=never stalled=no',
          'status b: connection=connected since=+0ms ping=none downloaded=0 behind=0 synced=+0ms',
          'status c: connection=disconnected reason=closed-by-server:1006 attempt=1 retry=+50ms',
          'status d: connection=connecting attempt=2',
          'status e: connection=connected since=+0ms ping=none synced=+0ms',
          'status f: sync=paused connection=disconnected reason=paused attempt=0 retry=never',
          'upload a: bytes=0/0 changesets=0/0 estimate=1',
          'download a: bytes=0/0 changesets=0/0 estimate=1',
        ]);
    }),
  );

  it(
    'has states, numbers and codes: no data, no names, no tokens, and no texts of other systems',
    afterwards((m) => {
      const secret = 'alice-7f3c';
      const reasons = [
        { kind: 'unreachable', detail: `wss://sync.example/?token=${secret}` },
        { kind: 'closed-by-server', code: 4001, text: secret },
        { kind: 'server-error', code: secret, text: secret },
        { kind: 'suspended', code: secret, text: secret },
      ] as const;
      const statuses = reasons.map((reason) =>
        createStatus({ connection: { state: 'disconnected', reason, attempt: 1, retryAt: null } }),
      );
      const errors = [
        new SyncError('user-refused', secret, { cause: new Error(secret) }),
        new CompensatingWriteError(7, [{ type: 'Person', key: secret, reason: secret }]),
        new ClientResetError(secret, 'manual', () => EMPTY),
        new StalledError(-1_500),
      ];
      const recording = record(
        createRecordable({
          status$: of(...statuses),
          errors$: of(...errors),
          syncState$: throwError(() => new Error(secret)),
        }),
        { clock: m.clock },
      );
      const text = recording.text();
      return () => {
        expect(text).not.toContain(secret);
        expect(text).not.toContain('Person');
        expect(body(text).filter((line) => /^(sync|status|errors) /.test(line))).toEqual([
          'sync    #',
          'status  (abcd|)',
          'errors  (abcd|)',
          expect.stringContaining('reason=unreachable '),
          expect.stringContaining('reason=closed-by-server:4001 '),
          expect.stringContaining('reason=server-error:other '),
          expect.stringContaining('reason=suspended:other '),
          'errors a: user-refused',
          'errors b: write-refused version=7',
          'errors c: history-changed why=manual',
          'errors d: stalled since=-1.5s',
        ]);
      };
    }),
  );

  it(
    'keeps the latest values of each stream, shows the number of dropped ones, and begins the status with a whole one',
    afterwards((m) => {
      const session = createRecordable({
        connectionState$: m.cold('d-c', connections),
        status$: range(1, 1_000).pipe(map((changesets) => createStatus({ pending: { changesets, bytes: 0 } }))),
      });
      const recording = record(session, { clock: m.clock, eventsMax: 3 });
      const found = textAt(m, recording, 10);
      return () =>
        expect(found.text.split('\n').slice(3)).toEqual([
          'left out status 998',
          expect.stringMatching(/^letters /),
          '',
          'at 0ms',
          'connection  d    -c',
          'status      (ab|)',
          'status a: sync=active connection=disconnected reason=idle attempt=0 retry=never pending=999/0B downloaded=0 behind=unknown synced=never stalled=no',
          'status b: pending=1000/0B',
          '',
        ]);
    }),
  );

  it('keeps as many values as the option allows, however many came', () => {
    const state = fc.tuple(fc.integer({ min: 1, max: 50 }), fc.nat({ max: 300 }));
    fc.assert(
      fc.property(state, ([eventsMax, came]) => {
        const versions = range(1, came).pipe(map((version) => new CompensatingWriteError(version, [])));
        const text = record(createRecordable({ errors$: versions }), { eventsMax }).text();
        const kept = [...text.matchAll(/version=(\d+)/g)].map(([, version]) => Number(version));
        // The end of a stream is one of its values here.
        const all = Array.from({ length: came }, (_, index) => index + 1);
        expect(kept).toEqual(eventsMax === 1 ? [] : all.slice(-(eventsMax - 1)));
      }),
    );
  });

  it(
    'begins a new section where a line is full, and where one moment has more values than fit',
    afterwards((m) => {
      const many = range(1, 30).pipe(map((version) => new CompensatingWriteError(version, [])));
      const states$ = m.cold(
        'd 9ms c 9ms C 9ms d 9ms c 9ms C 9ms d 9ms c 9ms C 9ms d 9ms c 9ms C 9ms d 9ms c 9ms C 9ms d 9ms c 9ms C',
        connections,
      );
      const recording = record(createRecordable({ errors$: many, connectionState$: states$ }), { clock: m.clock });
      const found = textAt(m, recording, 1_000);
      return () => {
        const drawn = body(found.text).filter((line) => line.startsWith('at ') || !/:|^$/.test(line));
        expect(drawn).toEqual([
          'at 0ms',
          'connection  d',
          'errors      (abcdefghijkl)',
          'at 0ms',
          'errors  (abcdefghijkl)',
          'at 0ms',
          'connection  -         9ms c 9ms C 9ms d 9ms c 9ms C 9ms d 9ms c 9ms C 9ms d 9ms c 9ms C 9ms d 9ms c 9ms C 9ms d',
          'errors      (abcdef|)',
          'at 160ms',
          'connection  c 9ms C',
        ]);
      };
    }),
  );

  it(
    'unsubscribes when it is stopped, and keeps the recorded values',
    afterwards((m) => {
      const states$ = m.cold('d----c----C', connections);
      const held = '          ^------!   ';
      const recording = record(createRecordable({ connectionState$: states$ }), { clock: m.clock });
      runAt(m, '-------xx', { x: () => recording.stop() });
      const found = textAt(m, recording, 100);
      m.expectSubscriptions(states$.subscriptions).toBe(held);
      return () => {
        expect(body(found.text)).toEqual(['at 0ms', 'connection  d----c']);
        expect(found.text).toContain('\nuntil 7ms\n');
      };
    }),
  );

  it(
    'does not go back in time when the clock of the device does',
    afterwards((m) => {
      let jump = 0;
      const clock = { now: () => m.clock.now() + jump };
      const recording = record(createRecordable({ connectionState$: m.cold('d-----c-----C', connections) }), { clock });
      runAt(m, '---x-------x', { x: () => (jump = jump === 0 ? -1_000 : 1_000) });
      const found = textAt(m, recording, 100);
      return () => expect(body(found.text)).toEqual(['at 0ms', 'connection  (dc) 1.011s C']);
    }),
  );

  it.each([
    [{ eventsMax: 0 }, 'options.eventsMax must be a number from 1 to 100000, received 0'],
    [{ eventsMax: 100_001 }, 'options.eventsMax must be a number from 1 to 100000, received 100001'],
    [{ events: 5 }, 'options of record must be a record with only the names clock, eventsMax, received "events"'],
  ])('throws for %j and subscribes to nothing', (options, message) => {
    let received = 0;
    const session = createRecordable({
      status$: defer(() => {
        received += 1;
        return NEVER;
      }),
    });
    expect(() => record(session, options as RecordOptions)).toThrow(InvalidArgumentError);
    expect(() => record(session, options as RecordOptions)).toThrow(message);
    expect(received).toBe(0);
  });
});
