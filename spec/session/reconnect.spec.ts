import { EMPTY, map, NEVER, of } from 'rxjs';
import { marbles, type MarbleHelpers } from '../../lib/testing/marbles.js';
import { createBackoff } from '../../lib/session/backoff.js';
import { Drop } from '../../lib/session/drop.js';
import { defaultTimeouts } from '../../lib/session/options.js';
import type { ClientMessage } from '../../lib/protocol/messages.js';
import type { Opened } from './kit.js';
import { answering, at, close, drawn, living, phone, testClient, testSession } from './kit.js';
import { testRealm } from './testrealm.js';

const unreachable = new Drop({ kind: 'unreachable', detail: '' });
const hungUp = new Drop({ kind: 'closed-by-server', code: 1006, text: '' });

/** What errors$ showed until a moment. */
const reports = (m: MarbleHelpers, { session }: Opened, until: string) =>
  m.expectObservable(session.errors$.pipe(map(({ code }) => code)), until);

describe('reconnecting', () => {
  it('R1 waits twice as long after each failure, from 1 s to 5 min', () => {
    marbles(({ clock }) => {
      const backoff = createBackoff(defaultTimeouts, clock);
      const waits = Array.from({ length: 11 }, () => {
        backoff.dropped(unreachable, 0);
        return backoff.notBefore / 1000;
      });
      expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    })();
  });

  it('R1 takes off up to a quarter of each wait, at random', () => {
    marbles(({ clock }) => {
      const waitAt = (chance: number): number => {
        const backoff = createBackoff(defaultTimeouts, { ...clock, random: () => chance });
        backoff.dropped(unreachable, 0);
        return backoff.notBefore;
      };
      expect([0, 0.5, 1].map(waitAt)).toEqual([1000, 875, 750]);
    })();
  });

  it(
    'R1 calls again after each wait, and says which attempt it is and when the next begins',
    marbles((m) => {
      const { session } = testSession(m, { dial: phone(m, '--#', '--#', '--#').dial });
      const told = session.status$.pipe(
        map(({ connection }) => {
          if (connection.state === 'connecting') return `call ${connection.attempt}`;
          return connection.state === 'disconnected' ? connection.retryAt : 'connected';
        }),
      );
      m.expectObservable(told, '4s !').toBe('a-b 999ms c-d 1999ms e-f', {
        a: 'call 1',
        b: 1002,
        c: 'call 2',
        d: 3004,
        e: 'call 3',
        f: 7006,
      });
    }),
  );

  it(
    'R2 starts over when the reason is another one',
    marbles((m) => {
      const { session } = testSession(m, { dial: phone(m, '--#', '--#', ['--w', living(m, '--x')], '--#').dial });
      //              unreachable: 1 s, again: 2 s, broken: 1 s, unreachable: 1 s
      const states = 'c-d 999ms c-d 1999ms c-C-d 999ms c-d 999ms c';
      m.expectObservable(drawn(session.connectionState$), '5011ms !').toBe(states);
    }),
  );

  it('R2 counts the same close code as the same reason, and another code as another', () => {
    marbles(({ clock }) => {
      const backoff = createBackoff(defaultTimeouts, clock);
      const attempts = [hungUp, hungUp, new Drop({ kind: 'closed-by-server', code: 1001, text: '' })].map((drop) => {
        backoff.dropped(drop, 0);
        return backoff.attempt;
      });
      expect(attempts).toEqual([1, 2, 1]);
    })();
  });

  it('R2 goes on with the waits when a token was renewed in between, and calls again at once for that', () => {
    marbles(({ clock }) => {
      const backoff = createBackoff(defaultTimeouts, clock);
      const expired = new Drop({ kind: 'token-expired' });
      const waits = [unreachable, expired, unreachable, expired, unreachable, hungUp, unreachable].map((drop) => {
        backoff.dropped(drop, 0);
        return backoff.notBefore;
      });
      expect(waits).toEqual([1000, 0, 2000, 0, 4000, 1000, 1000]);
      backoff.dropped(expired, 0);
      backoff.dropped(unreachable, defaultTimeouts.healthy);
      expect(backoff.notBefore).toBe(1000); // It has been well in between.
      backoff.dropped(unreachable, 0);
      backoff.dropped(expired, 0);
      backoff.startOver();
      backoff.dropped(unreachable, 0);
      expect(backoff.notBefore).toBe(1000);
    })();
  });

  it(
    'R3 tries at once when asked to during a wait, and starts the waits over',
    marbles((m) => {
      const { session } = testSession(m, { dial: phone(m, '--#', '--#', '--#', '--#').dial });
      const asked = '      2s r';
      //            fails at 2, at 1004; asked at 2000, fails at 2002; 1 s
      const states = 'c-d 999ms c-d 995ms c-d 999ms c-d';
      at(m, asked, { r: session.reconnect });
      m.expectObservable(drawn(session.connectionState$), '3010ms !').toBe(states);
    }),
  );

  it(
    'R4 changes nothing that can be seen while connecting or connected',
    marbles((m) => {
      const heard: ClientMessage[] = [];
      const { dial, lines } = phone(m, ['---w', answering({ heard })]);
      const { session } = testSession(m, { dial });
      at(m, '-r---r', { r: session.reconnect });
      m.expectObservable(drawn(session.connectionState$), '20ms !').toBe('c--C');
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('^');
      at(m, '10ms x', { x: () => expect(heard.map(({ type }) => type).sort()).toEqual(['bind', 'ping', 'ping']) });
    }),
  );

  it(
    'R5 pings a dead socket at once, drops it at the read timeout, and calls again without a wait',
    marbles((m) => {
      const heard: ClientMessage[] = [];
      const dead = answering({ heard, ignoring: ['ping'] });
      const { session } = testSession(m, { dial: phone(m, ['--w', dead], '-----w').dial, timeouts: { read: 50 } });
      at(m, '20ms r', { r: session.reconnect });
      at(m, '21ms x', { x: () => expect(heard.at(-1)).toEqual({ type: 'ping', sentAt: 20 }) });
      m.expectObservable(drawn(session.connectionState$), '60ms !').toBe('c-C 49ms (dc)-C');
    }),
  );

  it(
    'R5 ends a socket that leaves a probe unanswered, when an app knows better than the read timeout',
    marbles((m) => {
      const dead = answering({ ignoring: ['ping'] });
      const { session } = testSession(m, { dial: phone(m, ['--w', dead], '-----w').dial, timeouts: { probe: 30 } });
      at(m, '20ms r', { r: session.reconnect });
      m.expectObservable(drawn(session.connectionState$), '60ms !').toBe('c-C 47ms (dc)-C');
    }),
  );

  it(
    'R6 R11 drops a line on which nothing was heard for the read timeout, and no other, without a report',
    marbles((m) => {
      const talking = answering({ answers: ({ type }) => (type === 'mark' ? EMPTY : undefined) });
      const scene = testSession(m, { dial: phone(m, ['--w', talking]).dial, timeouts: { read: 50, ping: 40 } });
      m.expectObservable(drawn(scene.session.connectionState$), '200ms !').toBe('c-C');
      const silent = testSession(m, {
        dial: phone(m, ['--w', answering({ ignoring: ['ping'] })], '--w').dial,
        timeouts: { read: 50, ping: 40 },
      });
      m.expectObservable(drawn(silent.session.connectionState$), '1080ms !').toBe('c-C 49ms d 999ms c-C');
      reports(m, silent, '1080ms !').toBe('');
      at(m, '1100ms x', { x: () => [scene, silent].forEach((each) => close(each)) });
    }),
  );

  it(
    'R7 waits as usual after a drop when the ping of reconnect() was answered',
    marbles((m) => {
      const { session } = testSession(m, { dial: phone(m, ['--w', living(m, '40ms x')], '--w').dial });
      at(m, '20ms r', { r: session.reconnect });
      m.expectObservable(drawn(session.connectionState$), '1050ms !').toBe('c-C 39ms d 999ms c-C');
    }),
  );

  it(
    'R8 does nothing for a session that is paused or inactive',
    marbles((m) => {
      const { dial, lines } = phone(m, '--w');
      const client = testClient(m, { dial });
      client.open(testRealm(), 'paused');
      client.open(testRealm(), 'inactive');
      at(m, '---r', { r: client.nudge });
      m.expectSubscriptions(lines[0]!.subscriptions).toBe([]);
    }),
  );

  it(
    'R9 R10 makes all sessions of the client try at once',
    marbles((m) => {
      const client = testClient(m, { dial: phone(m, '--#', '--w').dial });
      const both = [client.open(), client.open()];
      at(m, '10ms r', { r: client.nudge });
      for (const { session } of both) {
        m.expectObservable(drawn(session.connectionState$), '20ms !').toBe('c-d 7ms c-C');
      }
    }),
  );

  it(
    'R12 gives up on a handshake that never ends, reports it once an outage, and calls again',
    marbles((m) => {
      const scene = testSession(m, { dial: NEVER, timeouts: { connect: 100 } });
      m.expectObservable(drawn(scene.session.connectionState$), '1300ms !').toBe('c 99ms d 999ms c 99ms d');
      reports(m, scene, '1300ms !').toBe('100ms a', { a: 'connection-failed' });
    }),
  );

  it(
    'R13 does not call again when the server asks for it, until somebody wants it',
    marbles((m) => {
      const refusing = () =>
        of({ type: 'error', session: null, code: 'restarting', text: 'closed for good', retry: 'never' } as const);
      const { dial } = phone(m, ['--w', answering({ answers: refusing })], '--w');
      const { session } = testSession(m, { dial });
      at(m, '60m r', { r: session.reconnect });
      at(m, ' 1s x', { x: () => expect(session.status.connection).toMatchObject({ retryAt: null }) });
      m.expectObservable(drawn(session.connectionState$), '3700s !').toBe('c-d 3599997ms c-C');
    }),
  );

  it(
    'R13 comes back when the server said, and not by its own backoff',
    marbles((m) => {
      const restarting = () =>
        of({ type: 'error', session: null, code: 'restarting', text: '', retry: { after: 70 } } as const);
      const { session } = testSession(m, { dial: phone(m, ['--w', answering({ answers: restarting })], '--w').dial });
      m.expectObservable(drawn(session.connectionState$), '100ms !').toBe('c-d 69ms c-C');
    }),
  );

  it('R14 starts over after a line that lived 10 s, and keeps doubling after one that did not', () => {
    marbles(({ clock }) => {
      const backoff = createBackoff(defaultTimeouts, clock);
      const attempts = [0, 9_999, 5, 10_000].map((lived) => {
        backoff.dropped(hungUp, lived);
        return backoff.attempt;
      });
      expect(attempts).toEqual([1, 2, 3, 1]);
    })();
  });

  it(
    'R14 does not take being answered for being well',
    marbles((m) => {
      const short = living(m, '-x');
      const long = living(m, '10s x');
      const { session } = testSession(m, { dial: phone(m, ['--w', short], ['--w', short], ['--w', long]).dial });
      //              1 s after the first, 2 s after the second, which was as short, 1 s after the long one
      const states = 'c-Cd 999ms c-Cd 1999ms c-C 9999ms d 999ms c';
      m.expectObservable(drawn(session.connectionState$), '14010ms !').toBe(states);
    }),
  );

  it.each<[string, (client: ReturnType<typeof testClient>) => void]>([
    ['reconnect() and logIn()', ({ connection }) => connection.startOver()],
    ['a trigger', ({ nudge }) => nudge()],
  ])('field report G3: %s while all realms are paused: the next session does not wait', (_, hurried) => {
    marbles((m) => {
      const { dial, lines } = phone(m, '--#', '--w');
      const client = testClient(m, { dial });
      const first = client.open();
      at(m, '10ms p', { p: first.session.pause });
      at(m, '20ms t', { t: () => hurried(client) });
      at(m, '30ms r', { r: first.session.resume });
      m.expectSubscriptions(lines[1]!.subscriptions).toBe('30ms ^ 30099ms !');
      at(m, '130ms p', { p: () => close(first, true) });
    })();
  });

  it(
    'field report G3: nobody listens for triggers when the wait is over, and closing the client ends the listening',
    marbles((m) => {
      const client = testClient(m, { dial: phone(m, '--#', '--#').dial });
      const first = client.open();
      at(m, '10ms p', { p: () => close(first, true) });
      at(m, '900ms x', { x: () => expect(client.listened()).toBe(true) });
      at(m, '1100ms x', { x: () => expect(client.listened()).toBe(false) });
    }),
  );

  it(
    'R15 keeps the backoff when the realm is closed and opened again',
    marbles((m) => {
      const { dial, lines } = phone(m, '--#', '--w');
      const client = testClient(m, { dial, timeouts: { linger: 0 } });
      const first = client.open();
      at(m, '10ms x', { x: () => close(first, true) });
      at(m, '500ms o', {
        o: () =>
          m.expectObservable(drawn(client.open().session.connectionState$), '1100ms !').toBe('500ms d 501ms c-C'),
      });
      m.expectSubscriptions(lines[1]!.subscriptions).toBe('1002ms ^');
    }),
  );
});
