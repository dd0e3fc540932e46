import { map } from 'rxjs';
import { marbles } from '../../lib/testing/marbles.js';
import { answering, at, close, drawn, logOut, phone, testClient, testSession } from './kit.js';
import { testRealm } from './testrealm.js';

describe('syncState', () => {
  it(
    'S1 is active from the moment the realm is opened, and calls without being asked',
    marbles((m) => {
      const { dial, lines } = phone(m, '--w');
      const { session } = testSession(m, { dial });
      const until = '     -----!';
      const state = '     a-----';
      const connection = 'c-C---';
      m.expectObservable(drawn(session.syncState$), until).toBe(state);
      m.expectObservable(drawn(session.connectionState$), until).toBe(connection);
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('^--');
    }),
  );

  it(
    'S2 reads paused and disconnected right after pause(), and is told so in the same moment',
    marbles((m) => {
      const { session } = testSession(m, { dial: phone(m, '--w').dial });
      const read: string[] = [];
      at(m, '-----p', { p: () => (session.pause(), read.push(session.state, session.connectionState)) });
      m.expectObservable(drawn(session.syncState$)).toBe('a----p');
      m.flush();
      expect(read).toEqual(['paused', 'disconnected']);
    }),
  );

  it(
    'S3 goes from connected to disconnected once when it is paused',
    marbles((m) => {
      const { session } = testSession(m, { dial: phone(m, '--w').dial });
      at(m, '-----p', { p: session.pause });
      m.expectObservable(drawn(session.connectionState$)).toBe('c-C--d');
      m.expectObservable(session.connectionChanges$).toBe('--a--b', {
        a: { previous: 'connecting', current: 'connected' },
        b: { previous: 'connected', current: 'disconnected' },
      });
    }),
  );

  it(
    'S4 emits nothing when it is paused again',
    marbles((m) => {
      const { session } = testSession(m, { dial: phone(m, '--w').dial });
      at(m, '-----p-p-p', { p: session.pause });
      m.expectObservable(drawn(session.syncState$)).toBe('     a----p');
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
      const { session } = testSession(m, { dial: phone(m, '--w').dial, start: 'inactive' });
      at(m, '--p', { p: session.pause });
      m.expectObservable(drawn(session.syncState$)).toBe('i-p');
    }),
  );

  it(
    'S6 stays paused when the realm is opened again',
    marbles((m) => {
      const { session, machine } = testSession(m, { dial: phone(m, '--w').dial });
      at(m, '----p--o', { p: session.pause, o: () => machine.dispatch({ type: 'input', input: 'open' }) });
      m.expectObservable(drawn(session.syncState$)).toBe('a---p');
    }),
  );

  it(
    'S7 stays paused through a log-out and the log-in after it',
    marbles((m) => {
      const opened = testSession(m, { dial: phone(m, '--w').dial });
      at(m, '----p-o-i', {
        p: opened.session.pause,
        o: () => logOut(opened),
        i: () => opened.machine.dispatch({ type: 'input', input: 'logIn' }),
      });
      m.expectObservable(drawn(opened.session.syncState$)).toBe('a---p');
    }),
  );

  it(
    'S8 S9 is active and calls again after resume(), however often it is said',
    marbles((m) => {
      const { dial, lines } = phone(m, '--w', '--w');
      const { session } = testSession(m, { dial, timeouts: { linger: 0 } });
      const acts = '      -----p---(rrr)';
      const state = '     a----p---a';
      const connection = 'c-C--d---c-C';
      at(m, acts, { p: session.pause, r: session.resume });
      m.expectObservable(drawn(session.syncState$)).toBe(state);
      m.expectObservable(drawn(session.connectionState$)).toBe(connection);
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('^----!');
      m.expectSubscriptions(lines[1]!.subscriptions).toBe('---------^');
    }),
  );

  it(
    'S10 leaves the other session of the client alone: its state, its connection, its traffic',
    marbles((m) => {
      const { dial, lines } = phone(m, '--w');
      const client = testClient(m, { dial });
      const one = client.open();
      const other = client.open();
      at(m, '-----p-w', { p: one.session.pause, w: () => other.realm.write() });
      m.expectObservable(drawn(one.session.connectionState$)).toBe('  c-C--d');
      m.expectObservable(drawn(other.session.connectionState$)).toBe('c-C');
      m.expectObservable(drawn(other.session.syncState$)).toBe('     a');
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('           ^');
      m.flush();
      expect(other.realm.present()).toMatchObject({ acknowledged: 1, changesets: 0 });
    }),
  );

  it(
    'S11 is inactive at once when it is closed with the policy `immediately`, changes unsent and the server down',
    marbles((m) => {
      const opened = testSession(m, { dial: phone(m, '--#').dial });
      const read: string[] = [];
      opened.realm.write();
      at(m, '-----x', { x: () => (close(opened, true), read.push(opened.session.state)) });
      m.expectObservable(drawn(opened.session.syncState$)).toBe('a----(i|)');
      m.flush();
      expect(read).toEqual(['inactive']);
    }),
  );

  it(
    'S12 is dying, and stays so, when it is closed with changes unsent and no server',
    marbles((m) => {
      const opened = testSession(m, { dial: phone(m, '--#', '--#', '--#').dial });
      opened.realm.write();
      at(m, '-----x', { x: () => close(opened) });
      m.expectObservable(drawn(opened.session.syncState$), '20s !').toBe('a----y');
    }),
  );

  it(
    'S13 finishes the upload when the server comes back, is inactive then, and nothing runs any more',
    marbles((m) => {
      const { dial, lines } = phone(m, '--#', '--w');
      const opened = testSession(m, { dial, timeouts: { linger: 0 } });
      opened.realm.write();
      at(m, '-----x', { x: () => close(opened) });
      const state = '     a----y 998ms (i|)'; // the second call begins 1 s after the first failed, at 1002
      const connection = 'c-d-- 997ms c-(Cd|)';
      m.expectObservable(drawn(opened.session.syncState$)).toBe(state);
      m.expectObservable(drawn(opened.session.connectionState$)).toBe(connection);
      m.expectSubscriptions(lines[1]!.subscriptions).toBe('1002ms ^-!');
      m.flush();
      expect(opened.realm.present().acknowledged).toBe(1);
    }),
  );

  it(
    'S14 is the same session, and active, when its realm is opened again while it is dying',
    marbles((m) => {
      const opened = testSession(m, { dial: phone(m, '--#').dial });
      opened.realm.write();
      at(m, '-----x--o', {
        x: () => close(opened),
        o: () => opened.machine.dispatch({ type: 'input', input: 'open' }),
      });
      m.expectObservable(drawn(opened.session.syncState$), '20ms !').toBe('a----y--a');
    }),
  );

  it(
    'S15 ends a dying session on a fatal error without a report',
    marbles((m) => {
      const refusing = answering({
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
      const opened = testSession(m, { dial: phone(m, ['--w', refusing]).dial });
      opened.realm.write();
      at(m, '---x', { x: () => close(opened) });
      m.expectObservable(drawn(opened.session.syncState$)).toBe('a--y-(i|)');
      m.expectObservable(opened.session.errors$).toBe('          -----|');
    }),
  );

  it(
    'S16 is inactive and disconnected after the log-out, active and connected after the log-in, as all others of the client are',
    marbles((m) => {
      const client = testClient(m, { dial: phone(m, '--w', '--w').dial, timeouts: { linger: 0 } });
      const both = [client.open(), client.open()];
      at(m, '-----o--i', {
        o: () => both.forEach(logOut),
        i: () => both.forEach(({ machine }) => machine.dispatch({ type: 'input', input: 'logIn' })),
      });
      for (const { session } of both) {
        m.expectObservable(drawn(session.syncState$)).toBe('     a----i--a');
        m.expectObservable(drawn(session.connectionState$)).toBe('c-C--d--c-C');
      }
    }),
  );

  it(
    'takes commands from inside an observer: every reader is told the same story, and the state reads as commanded',
    marbles((m) => {
      const { session } = testSession(m, { dial: phone(m, '--w').dial });
      const read: string[] = [];
      session.connectionState$.subscribe((state) => {
        if (state !== 'connected') return;
        session.pause();
        read.push(session.state, session.connectionState);
      });
      m.expectObservable(drawn(session.connectionState$)).toBe('c-(Cd)');
      m.expectObservable(drawn(session.syncState$)).toBe('     a-p');
      m.flush();
      expect(read).toEqual(['paused', 'disconnected']);
    }),
  );

  it(
    'S28 leaves nothing behind: neither line nor timer nor subscription after it is closed',
    marbles((m) => {
      const { dial, lines } = phone(m, '--w');
      const realm = testRealm();
      const opened = testSession(m, { dial, realm, timeouts: { linger: 10, ping: 1_000, read: 5_000 } });
      at(m, '-----x', { x: () => close(opened) });
      m.expectObservable(drawn(opened.session.connectionState$)).toBe('c-C--(d|)');
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('^ 14ms !'); // 5, and 10 of linger
      m.flush();
      expect(m.scheduler.actions.filter(({ closed }) => !closed)).toEqual([]);
    }),
  );
});
