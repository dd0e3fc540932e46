import { map } from 'rxjs';
import { marbles } from '../../../lib/testing/marbles.js';
import {
  createAnsweringServer,
  runAt,
  closeRealm,
  lettersOf,
  logOut,
  createScriptedDial,
  createTestClient,
  createTestSession,
} from '../test-kit.js';
import { createTestRealm } from '../test-realm.js';

describe('syncState', () => {
  it(
    'S1 is active from the moment the realm is opened, and connects by itself',
    marbles((m) => {
      const { dial, lines } = createScriptedDial(m, '--w');
      const { session } = createTestSession(m, { dial });
      const until = '     -----!';
      const state = '     a-----';
      const connection = 'c-C---';
      m.expectObservable(lettersOf(session.syncState$), until).toBe(state);
      m.expectObservable(lettersOf(session.connectionState$), until).toBe(connection);
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('^--');
    }),
  );

  it(
    'S2 reads paused and disconnected right after pause(), and emits both in the same moment',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--w').dial });
      const read: string[] = [];
      runAt(m, '-----p', { p: () => (session.pause(), read.push(session.syncState, session.connectionState)) });
      m.expectObservable(lettersOf(session.syncState$)).toBe('a----p');
      m.flush();
      expect(read).toEqual(['paused', 'disconnected']);
    }),
  );

  it(
    'S3 goes from connected to disconnected once when it is paused',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--w').dial });
      runAt(m, '-----p', { p: session.pause });
      m.expectObservable(lettersOf(session.connectionState$)).toBe('c-C--d');
      m.expectObservable(session.connectionChanges$).toBe('--a--b', {
        a: { previous: 'connecting', current: 'connected' },
        b: { previous: 'connected', current: 'disconnected' },
      });
    }),
  );

  it(
    'S4 emits nothing when it is paused again',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--w').dial });
      runAt(m, '-----p-p-p', { p: session.pause });
      m.expectObservable(lettersOf(session.syncState$)).toBe('     a----p');
      m.expectObservable(session.status$.pipe(map(({ sync }) => sync))).toBe('a-b--c', {
        a: 'active',
        b: 'active',
        c: 'paused',
      });
    }),
  );

  it(
    'S5 can be paused while inactive',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--w').dial, start: 'inactive' });
      runAt(m, '--p', { p: session.pause });
      m.expectObservable(lettersOf(session.syncState$)).toBe('i-p');
    }),
  );

  it(
    'S6 stays paused when the realm is opened again',
    marbles((m) => {
      const { session, machine } = createTestSession(m, { dial: createScriptedDial(m, '--w').dial });
      runAt(m, '----p--o', { p: session.pause, o: () => machine.dispatch({ type: 'input', input: 'open' }) });
      m.expectObservable(lettersOf(session.syncState$)).toBe('a---p');
    }),
  );

  it(
    'S7 stays paused through a log-out and the log-in after it',
    marbles((m) => {
      const opened = createTestSession(m, { dial: createScriptedDial(m, '--w').dial });
      runAt(m, '----p-o-i', {
        p: opened.session.pause,
        o: () => logOut(opened),
        i: () => opened.machine.dispatch({ type: 'input', input: 'logIn' }),
      });
      m.expectObservable(lettersOf(opened.session.syncState$)).toBe('a---p');
    }),
  );

  it(
    'S8 S9 is active and connects again after resume(), however often it is called',
    marbles((m) => {
      const { dial, lines } = createScriptedDial(m, '--w', '--w');
      const { session } = createTestSession(m, { dial, timeouts: { linger: 0 } });
      const acts = '      -----p---(rrr)';
      const state = '     a----p---a';
      const connection = 'c-C--d---c-C';
      runAt(m, acts, { p: session.pause, r: session.resume });
      m.expectObservable(lettersOf(session.syncState$)).toBe(state);
      m.expectObservable(lettersOf(session.connectionState$)).toBe(connection);
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('^----!');
      m.expectSubscriptions(lines[1]!.subscriptions).toBe('---------^');
    }),
  );

  it(
    'S10 leaves the other session of the client alone: its state, its connection, its traffic',
    marbles((m) => {
      const { dial, lines } = createScriptedDial(m, '--w');
      const client = createTestClient(m, { dial });
      const one = client.open();
      const other = client.open();
      runAt(m, '-----p-w', { p: one.session.pause, w: () => other.realm.write() });
      m.expectObservable(lettersOf(one.session.connectionState$)).toBe('  c-C--d');
      m.expectObservable(lettersOf(other.session.connectionState$)).toBe('c-C');
      m.expectObservable(lettersOf(other.session.syncState$)).toBe('     a');
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('           ^');
      m.flush();
      expect(other.realm.present()).toMatchObject({ acknowledged: 1, changesets: 0 });
    }),
  );

  it(
    'S11 is inactive at once when it is closed with the policy `immediately`, changes unsent and the server down',
    marbles((m) => {
      const opened = createTestSession(m, { dial: createScriptedDial(m, '--#').dial });
      const read: string[] = [];
      opened.realm.write();
      runAt(m, '-----x', { x: () => (closeRealm(opened, true), read.push(opened.session.syncState)) });
      m.expectObservable(lettersOf(opened.session.syncState$)).toBe('a----(i|)');
      m.flush();
      expect(read).toEqual(['inactive']);
    }),
  );

  it(
    'S12 is dying, and stays so, when it is closed with changes unsent and no server',
    marbles((m) => {
      const opened = createTestSession(m, { dial: createScriptedDial(m, '--#', '--#', '--#').dial });
      opened.realm.write();
      runAt(m, '-----x', { x: () => closeRealm(opened) });
      m.expectObservable(lettersOf(opened.session.syncState$), '20s !').toBe('a----y');
    }),
  );

  it(
    'S13 finishes the upload when the server comes back, is inactive then, and nothing runs any more',
    marbles((m) => {
      const { dial, lines } = createScriptedDial(m, '--#', '--w');
      const opened = createTestSession(m, { dial, timeouts: { linger: 0 } });
      opened.realm.write();
      runAt(m, '-----x', { x: () => closeRealm(opened) });
      const state = '     a----y 998ms (i|)'; // The second attempt begins 1 s after the first failed, at 1002.
      const connection = 'c-d-- 997ms c-(Cd|)';
      m.expectObservable(lettersOf(opened.session.syncState$)).toBe(state);
      m.expectObservable(lettersOf(opened.session.connectionState$)).toBe(connection);
      m.expectSubscriptions(lines[1]!.subscriptions).toBe('1002ms ^-!');
      m.flush();
      expect(opened.realm.present().acknowledged).toBe(1);
    }),
  );

  it(
    'S14 is the same session, and active, when its realm is opened again while it is dying',
    marbles((m) => {
      const opened = createTestSession(m, { dial: createScriptedDial(m, '--#').dial });
      opened.realm.write();
      runAt(m, '-----x--o', {
        x: () => closeRealm(opened),
        o: () => opened.machine.dispatch({ type: 'input', input: 'open' }),
      });
      m.expectObservable(lettersOf(opened.session.syncState$), '20ms !').toBe('a----y--a');
    }),
  );

  it(
    'S15 ends a dying session on a fatal error without a report',
    marbles((m) => {
      const rejecting = createAnsweringServer({
        answers: (message) =>
          message.type === 'bind'
            ? m.cold('3ms e', {
                e: {
                  type: 'error',
                  session: message.session,
                  code: 'no-such-realm',
                  text: 'no',
                  retry: 'never',
                } as const,
              })
            : undefined,
      });
      const opened = createTestSession(m, { dial: createScriptedDial(m, ['--w', rejecting]).dial });
      opened.realm.write();
      runAt(m, '---x', { x: () => closeRealm(opened) });
      m.expectObservable(lettersOf(opened.session.syncState$)).toBe('a--y-(i|)');
      m.expectObservable(opened.session.errors$).toBe('          -----|');
    }),
  );

  it(
    'S16 is inactive and disconnected after the log-out, active and connected after the log-in, as all others of the client are',
    marbles((m) => {
      const client = createTestClient(m, { dial: createScriptedDial(m, '--w', '--w').dial, timeouts: { linger: 0 } });
      const both = [client.open(), client.open()];
      runAt(m, '-----o--i', {
        o: () => both.forEach(logOut),
        i: () => both.forEach(({ machine }) => machine.dispatch({ type: 'input', input: 'logIn' })),
      });
      for (const { session } of both) {
        m.expectObservable(lettersOf(session.syncState$)).toBe('     a----i--a');
        m.expectObservable(lettersOf(session.connectionState$)).toBe('c-C--d--c-C');
      }
    }),
  );

  it(
    'takes commands from inside an observer: every observer receives the same states, and the state reads as commanded',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--w').dial });
      const read: string[] = [];
      session.connectionState$.subscribe((state) => {
        if (state !== 'connected') return;
        session.pause();
        read.push(session.syncState, session.connectionState);
      });
      m.expectObservable(lettersOf(session.connectionState$)).toBe('c-(Cd)');
      m.expectObservable(lettersOf(session.syncState$)).toBe('     a-p');
      m.flush();
      expect(read).toEqual(['paused', 'disconnected']);
    }),
  );

  it(
    'S28 leaves nothing behind: no connection, timer or subscription after it is closed',
    marbles((m) => {
      const { dial, lines } = createScriptedDial(m, '--w');
      const realm = createTestRealm();
      const opened = createTestSession(m, { dial, realm, timeouts: { linger: 10, ping: 1_000, read: 5_000 } });
      runAt(m, '-----x', { x: () => closeRealm(opened) });
      m.expectObservable(lettersOf(opened.session.connectionState$)).toBe('c-C--(d|)');
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('^ 14ms !'); // 5, and 10 of linger.
      m.flush();
      expect(m.scheduler.actions.filter(({ closed }) => !closed)).toEqual([]);
    }),
  );
});
