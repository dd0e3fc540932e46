import { EMPTY, map } from 'rxjs';
import { marbles } from '../../lib/testing/marbles.js';
import { createAnsweringServer, runAt, logOut, createScriptedDial, createTestSession } from './test-kit.js';

describe('a session that is inactive', () => {
  it(
    'keeps its waits through a log-out: nothing ended',
    marbles((m) => {
      const scene = createTestSession(m, { dial: createScriptedDial(m, '--w').dial, start: 'inactive' });
      const logIn = () => scene.machine.dispatch({ type: 'input', input: 'logIn' });
      runAt(m, '---o--r', { o: () => logOut(scene), r: logIn });
      m.expectObservable(scene.session.downloadComplete$).toBe('--------(0|)', { 0: 0 });
    }),
  );
});

describe('status$', () => {
  it(
    'shows the changes that the server does not have, and when both last had the same data (lastSyncedAt)',
    marbles((m) => {
      const scene = createTestSession(m, {
        dial: createScriptedDial(m, [
          '--w',
          createAnsweringServer({ answers: (message) => (message.type === 'upload' ? EMPTY : undefined) }),
        ]).dial,
      });
      runAt(m, '-----w', { w: () => scene.realm.write(68) });
      const reported = scene.session.status$.pipe(
        map(({ pending, lastSyncedAt }) => `${pending.changesets} ${pending.bytes} ${String(lastSyncedAt)}`),
      );
      m.expectObservable(reported, '9ms !').toBe('a-b--c', { a: '0 0 null', b: '0 0 2', c: '1 100 2' });
    }),
  );

  it(
    'does not set lastSyncedAt while the server has more',
    marbles((m) => {
      const scene = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', createAnsweringServer({ bound: { head: 3 } })]).dial,
      });
      const reported = scene.session.status$.pipe(
        map(({ downloaded, lastSyncedAt }) => [downloaded.behind, lastSyncedAt]),
      );
      m.expectObservable(reported, '9ms !').toBe('a-b', { a: [null, null], b: [3, null] });
    }),
  );

  it(
    'shows the time of a round trip',
    marbles((m) => {
      const far = createAnsweringServer({
        answers: (message) =>
          message.type === 'ping'
            ? m.cold('30ms p', { p: { type: 'pong', sentAt: message.sentAt } as const })
            : undefined,
      });
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['--w', far]).dial });
      runAt(m, '9ms n', { n: scene.reconnect });
      const trips = scene.session.status$.pipe(
        map(({ connection }) => ('roundTripMs' in connection ? connection.roundTripMs : '-')),
      );
      m.expectObservable(trips, '50ms !').toBe('a-b 36ms c', { a: '-', b: null, c: 30 });
    }),
  );
});
