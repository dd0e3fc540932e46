import { ignoreElements, map } from 'rxjs';
import { marbles } from '../../../lib/testing/marbles.js';
import { createBackoff } from '../../../lib/session/connection/backoff.js';
import { Disconnect } from '../../../lib/session/connection/disconnect.js';
import { defaultTimeouts } from '../../../lib/session/connection/timeouts.js';
import {
  runAt,
  closeRealm,
  createAnsweringServer,
  lettersOf,
  createEndingWire,
  createScriptedDial,
  createTestClient,
  createTestSession,
} from '../test-kit.js';

const unreachable = new Disconnect({ kind: 'unreachable', detail: '' });
const unexpectedClose = new Disconnect({ kind: 'closed-by-server', code: 1006, text: '' });

describe('reconnecting', () => {
  it('R1 waits twice as long after each failure, from 1 s to 5 min', () => {
    marbles(({ clock }) => {
      const backoff = createBackoff(defaultTimeouts, clock);
      const waits = Array.from({ length: 11 }, () => {
        backoff.recordDisconnect(unreachable, 0);
        return backoff.notBefore / 1000;
      });
      expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    })();
  });

  it('R1 takes off up to a quarter of each wait, at random', () => {
    marbles(({ clock }) => {
      const waitAt = (chance: number): number => {
        const backoff = createBackoff(defaultTimeouts, { ...clock, random: () => chance });
        backoff.recordDisconnect(unreachable, 0);
        return backoff.notBefore;
      };
      expect([0, 0.5, 1].map(waitAt)).toEqual([1000, 875, 750]);
    })();
  });

  it(
    'R1 reconnects after each wait, and shows the number of the attempt and the time of the next',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--#', '--#', '--#').dial });
      const reported = session.status$.pipe(
        map(({ connection }) => {
          if (connection.state === 'connecting') return `call ${connection.attempt}`;
          return connection.state === 'disconnected' ? connection.retryAt : 'connected';
        }),
      );
      m.expectObservable(reported, '4s !').toBe('a-b 999ms c-d 1999ms e-f', {
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
    'R2 begins again when the reason is another one',
    marbles((m) => {
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, '--#', '--#', ['--w', createEndingWire(m, '--x')], '--#').dial,
      });
      // Unreachable: 1 s, again: 2 s, broken: 1 s, unreachable: 1 s.
      const states = 'c-d 999ms c-d 1999ms c-C-d 999ms c-d 999ms c';
      m.expectObservable(lettersOf(session.connectionState$), '5011ms !').toBe(states);
    }),
  );

  it('R2 counts the same close code as the same reason, and another code as another', () => {
    marbles(({ clock }) => {
      const backoff = createBackoff(defaultTimeouts, clock);
      const attempts = [
        unexpectedClose,
        unexpectedClose,
        new Disconnect({ kind: 'closed-by-server', code: 1001, text: '' }),
      ].map((disconnect) => {
        backoff.recordDisconnect(disconnect, 0);
        return backoff.attempt;
      });
      expect(attempts).toEqual([1, 2, 1]);
    })();
  });

  it('R2 continues the waits when a token was renewed in between, and reconnects at once after the renewal', () => {
    marbles(({ clock }) => {
      const backoff = createBackoff({ ...defaultTimeouts, quickRetry: 0 }, clock);
      const expired = new Disconnect({ kind: 'token-expired' });
      const waits = [unreachable, expired, unreachable, expired, unreachable, unexpectedClose, unreachable].map(
        (disconnect) => {
          backoff.recordDisconnect(disconnect, 0);
          return backoff.notBefore;
        },
      );
      expect(waits).toEqual([1000, 0, 2000, 0, 4000, 1000, 1000]);
      backoff.recordDisconnect(expired, 0);
      backoff.recordDisconnect(unreachable, defaultTimeouts.healthy);
      expect(backoff.notBefore).toBe(1000); // A healthy connection came in between.
      backoff.recordDisconnect(unreachable, 0);
      backoff.recordDisconnect(expired, 0);
      backoff.reset();
      backoff.recordDisconnect(unreachable, 0);
      expect(backoff.notBefore).toBe(1000);
    })();
  });

  it('R14 begins again after a connection that lasted 10 s, and keeps doubling after a shorter one', () => {
    marbles(({ clock }) => {
      const backoff = createBackoff(defaultTimeouts, clock);
      const attempts = [0, 9_999, 5, 10_000].map((lived) => {
        backoff.recordDisconnect(unexpectedClose, lived);
        return backoff.attempt;
      });
      expect(attempts).toEqual([1, 2, 3, 1]);
    })();
  });

  it(
    'R14 does not take being answered for being well',
    marbles((m) => {
      const short = createEndingWire(m, '-x');
      const long = createEndingWire(m, '10s x');
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', short], ['--w', short], ['--w', long]).dial,
      });
      // 1 s after the first, 2 s after the second, which was as short, and a quick retry (R16) after the long one.
      const states = 'c-Cd 999ms c-Cd 1999ms c-C 9999ms d 149ms c';
      m.expectObservable(lettersOf(session.connectionState$), '14010ms !').toBe(states);
    }),
  );

  it(
    'R16 retries 50 ms after a working connection broke, then each 100 ms for 3 s, and only then with the backoff',
    marbles((m) => {
      const attempts = [['w', createEndingWire(m, '2s x')], ...Array.from({ length: 33 }, () => '#')] as const;
      const { dial, lines } = createScriptedDial(m, ...attempts);
      const { session } = createTestSession(m, { dial });
      m.expectObservable(session.connectionState$.pipe(ignoreElements()), '12s !').toBe('');
      const startsAt = (attempt: number, frame: string): void =>
        m.expectSubscriptions(lines[attempt]!.subscriptions).toBe(`${frame} (^!)`);
      startsAt(1, '2050ms');
      startsAt(2, '2150ms');
      startsAt(30, '4950ms');
      startsAt(31, '5050ms');
      startsAt(32, '6050ms');
    }),
  );

  it(
    'R16 shows quick retries as one wait: connecting when one takes long or succeeds, and the next wait when all failed',
    marbles((m) => {
      const broken = ['w', createEndingWire(m, '2s x')] as const;
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, broken, '#', '#', ['9ms w', createAnsweringServer()]).dial,
      });
      m.expectObservable(lettersOf(session.connectionState$), '3s !').toBe('C 1999ms d 258ms (cC)');
    }),
  );

  it(
    'R16 reports the outage only when all quick retries have failed',
    marbles((m) => {
      const dials = [['w', createEndingWire(m, '2s x')], ...Array.from({ length: 33 }, () => '#')] as const;
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ...dials).dial });
      m.expectObservable(lettersOf(session.connectionState$), '6s !').toBe('C 1999ms d');
      m.expectObservable(session.errors$.pipe(map(({ code }) => code)), '6s !').toBe('5050ms e', {
        e: 'connection-failed',
      });
    }),
  );

  it('R16 retries quickly at random up to a quarter earlier', () => {
    marbles(({ clock }) => {
      const backoff = createBackoff(defaultTimeouts, { ...clock, random: () => 1 });
      backoff.recordDisconnect(unexpectedClose, 1_000);
      expect(backoff.notBefore).toBe(37.5);
      backoff.recordDisconnect(unreachable, 0);
      expect(backoff.notBefore).toBe(75);
    })();
  });

  it.each<[string, Disconnect, number]>([
    ['was open for less than a second', unexpectedClose, 999],
    ['was closed with another code', new Disconnect({ kind: 'closed-by-server', code: 4429, text: '' }), 60_000],
    ['was silent', new Disconnect({ kind: 'timed-out', what: 'read' }), 120_000],
  ])('R16 does not retry quickly after a connection that %s', (_, disconnect, livedMs) => {
    marbles(({ clock }) => {
      const backoff = createBackoff(defaultTimeouts, clock);
      backoff.recordDisconnect(disconnect, livedMs);
      expect(backoff.notBefore).toBe(1_000);
    })();
  });

  it('R16 retries quickly again only after the healthy time, so that a server in a crash loop is left alone', () => {
    marbles((m) => {
      const backoff = createBackoff(defaultTimeouts, m.clock);
      const { quickRetry, healthy } = defaultTimeouts;
      const waitAt = (ms: number): void => {
        m.scheduler.schedule(() => {
          backoff.recordDisconnect(unexpectedClose, 1_000);
          waits.push(backoff.notBefore - ms);
        }, ms);
      };
      const waits: number[] = [];
      [0, quickRetry, quickRetry + healthy - 1, quickRetry + healthy].forEach(waitAt);
      m.scheduler.schedule(() => expect(waits).toEqual([50, 1_000, 2_000, 50]), 60_000);
    })();
  });

  it.each<[string, (client: ReturnType<typeof createTestClient>) => void]>([
    ['reconnect() and logIn()', ({ connection }) => connection.resetBackoff()],
    ['a trigger', ({ reconnect }) => reconnect()],
  ])('field report G-3: %s while all realms are paused: the next session does not wait', (_, hurried) => {
    marbles((m) => {
      const { dial, lines } = createScriptedDial(m, '--#', '--w');
      const client = createTestClient(m, { dial });
      const first = client.open();
      runAt(m, '10ms p', { p: first.session.pause });
      runAt(m, '20ms t', { t: () => hurried(client) });
      runAt(m, '30ms r', { r: first.session.resume });
      m.expectSubscriptions(lines[1]!.subscriptions).toBe('30ms ^ 30099ms !');
      runAt(m, '130ms p', { p: () => closeRealm(first, true) });
    })();
  });

  it(
    'field report G-3: triggers have no subscriber when the wait is over, or when the client is closed',
    marbles((m) => {
      const client = createTestClient(m, { dial: createScriptedDial(m, '--#', '--#').dial });
      const first = client.open();
      runAt(m, '10ms p', { p: () => closeRealm(first, true) });
      runAt(m, '900ms x', { x: () => expect(client.isListening()).toBe(true) });
      runAt(m, '1100ms x', { x: () => expect(client.isListening()).toBe(false) });
    }),
  );

  it(
    'R15 keeps the backoff when the realm is closed and opened again',
    marbles((m) => {
      const { dial, lines } = createScriptedDial(m, '--#', '--w');
      const client = createTestClient(m, { dial, timeouts: { linger: 0 } });
      const first = client.open();
      runAt(m, '10ms x', { x: () => closeRealm(first, true) });
      runAt(m, '500ms o', {
        o: () =>
          m.expectObservable(lettersOf(client.open().session.connectionState$), '1100ms !').toBe('500ms d 501ms c-C'),
      });
      m.expectSubscriptions(lines[1]!.subscriptions).toBe('1002ms ^');
    }),
  );
});
