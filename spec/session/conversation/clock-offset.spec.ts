import { concat, defer, delay, EMPTY, type Observable, of, tap } from 'rxjs';
import type { ClientMessage, ServerMessage } from '../../../lib/protocol/messages.js';
import { serverClockReadingOf } from '../../../lib/session/conversation/clock-offset.js';
import { marbles, type MarbleHelpers } from '../../../lib/testing/marbles.js';
import { createAnsweringServer, runAt, createScriptedDial, createTestSession, type TestWire } from '../test-kit.js';
import { type TestRealm, createTestRealm } from '../test-realm.js';
import { boundFields } from '../../protocol/bound-fields.js';

/** Creates a wire that takes this number of frames each way. */
const far = (m: MarbleHelpers, frames: number, wire: TestWire): TestWire => {
  const late = <T>(sent$: Observable<T>) => sent$.pipe(delay(frames, m.scheduler));
  return (sent$) => late(wire(late(sent$)));
};

/** Creates a server whose clock shows this time when it answers. */
const showing = (time: (frame: number) => number, m: MarbleHelpers, received: ClientMessage[] = []): TestWire =>
  createAnsweringServer({
    received,
    answers: (message) =>
      message.type !== 'bind'
        ? undefined
        : defer(() =>
            of<ServerMessage>({
              ...{ type: 'bound', session: message.session, history: 'h', head: 0, headBytes: 0 },
              ...{
                accepted: message.acknowledged,
                serverTime: time(m.scheduler.now()),
                frameBytesMax: 1e6,
                ...boundFields,
                snapshot: null,
              },
            }),
          ),
  });

describe("the server's time", () => {
  it.each([
    ['as far ahead as it was in the middle of the round trip', [10_000, 100, 300], 9_800, 1_000],
    ['behind', [-5_000, 0, 0], -5_000, 1_000],
    ['as uncertain as the round trip is long', [0, 0, 8_000], -4_000, 8_000],
    ['as uncertain as the clock is wild: it jumped back', [0, 8_000, 0], -4_000, 8_000],
  ])('is %s', (_, [serverTime = 0, asked = 0, answered = 0], offset, margin) => {
    expect(serverClockReadingOf(serverTime, asked, answered)).toEqual({ serverTime, offset, margin });
  });

  it(
    'is passed to the realm with the time that the answer took',
    marbles((m) => {
      const wire = far(
        m,
        20,
        showing((frame) => frame + 60_000, m),
      );
      const { realm } = createTestSession(m, { dial: createScriptedDial(m, ['--w', wire]).dial });
      runAt(m, '42ms -x', {
        x: () => expect(realm.times).toEqual([{ serverTime: 60_022, offset: 60_000, margin: 1_000, decided: 0 }]),
      });
      runAt(m, '41ms x', { x: () => expect(realm.times).toEqual([]) });
      m.expectObservable(EMPTY, '1s !').toBe('|');
    }),
  );

  it(
    'is measured at every bind, by the time of the bind itself, not by the wait for it',
    marbles((m) => {
      const wire = () =>
        far(
          m,
          5,
          showing((frame) => frame - 3_000, m),
        );
      const { realm, session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', wire()], ['9s w', wire()]).dial,
      });
      runAt(m, '100ms pr', { p: session.pause, r: session.resume });
      runAt(m, '20s x', {
        x: () =>
          expect(realm.times.map(({ offset, margin }) => [offset, margin])).toEqual([
            [-3_000, 1_000],
            [-3_000, 1_000],
          ]),
      });
      m.expectObservable(EMPTY, '1s !').toBe('|');
    }),
  );

  it(
    'is corrected before anything is uploaded, and after the acknowledgement of earlier changesets',
    marbles((m) => {
      const course: string[] = [];
      const inner = createTestRealm();
      inner.write();
      inner.write();
      const noting = (what: string, command: Observable<never>): Observable<never> =>
        concat(
          defer(() => (course.push(what), EMPTY)),
          command,
        );
      const realm: TestRealm = {
        ...inner,
        acknowledge: (version) => noting(`acknowledge ${version}`, inner.acknowledge(version)),
        correct: () => concat(noting('correct', m.cold<never>('---|')), noting('corrected', EMPTY)),
        uploads: (...args) =>
          inner
            .uploads(...args)
            .pipe(tap((page) => course.push(`upload ${page.map(({ version }) => version).join()}`))),
      };
      const wire = createAnsweringServer({ bound: { accepted: 1 } });
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', wire]).dial, realm });
      runAt(m, '----x', { x: () => expect(course).toEqual(['acknowledge 1', 'correct']) });
      runAt(m, '9ms x', {
        x: () => expect(course).toEqual(['acknowledge 1', 'correct', 'corrected', 'upload 2', 'acknowledge 2']),
      });
      m.expectObservable(session.uploadComplete$, '1s !').toBe('-----(a|)', { a: 2 });
    }),
  );

  it(
    'is not enough for a dishonest clock: a changeset that the server rejects as too far ahead ends the session, and is shown',
    marbles((m) => {
      const realm = createTestRealm();
      realm.write();
      const wire = createAnsweringServer({
        answers: (message) =>
          message.type === 'upload'
            ? of({
                type: 'error',
                session: message.session,
                code: 'bad-changeset',
                text: 'ahead',
                retry: 'never',
              } as const)
            : undefined,
      });
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', wire]).dial, realm });
      const rejection = expect.objectContaining({ code: 'bad-changeset', fatal: true }) as unknown;
      m.expectObservable(session.errors$, '1s !').toBe('--e', { e: rejection });
      runAt(m, '---x', {
        x: () => {
          expect(session.syncState).toBe('inactive');
          expect(realm.present().changesets).toBe(1); // Nothing is lost.
        },
      });
    }),
  );
});
