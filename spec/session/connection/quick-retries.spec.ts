import { ignoreElements, map, NEVER, of } from 'rxjs';
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
  unexpectedClose,
  unreachable,
} from '../test-kit.js';

describe('quick retries', () => {
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
      m.expectObservable(session.errors$.pipe(map(({ code }) => code)), '20s !').toBe('5050ms e', {
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

  it('R16 retries quickly again only after a healthy connection, so that a server in a crash loop is left alone', () => {
    marbles((m) => {
      const backoff = createBackoff(defaultTimeouts, m.clock);
      const { quickRetry, healthy } = defaultTimeouts;
      const waits: number[] = [];
      const breakAt = (ms: number, livedMs: number): void => {
        m.scheduler.schedule(() => {
          backoff.recordDisconnect(unexpectedClose, livedMs);
          waits.push(backoff.notBefore - ms);
        }, ms);
      };
      breakAt(0, 1_000);
      breakAt(quickRetry, 1_000);
      breakAt(60_000, healthy - 1);
      breakAt(90_000, healthy);
      m.scheduler.schedule(() => expect(waits).toEqual([50, 1_000, 2_000, 50]), 90_001);
    })();
  });

  it('R16 continues the waits of the backoff when quick retries came before a token was renewed', () => {
    marbles((m) => {
      const backoff = createBackoff(defaultTimeouts, m.clock);
      const fail = (disconnect: Disconnect, livedMs = 0): void => backoff.recordDisconnect(disconnect, livedMs);
      fail(unexpectedClose, 1_000);
      for (let count = 0; count < 10; count += 1) fail(unreachable);
      fail(new Disconnect({ kind: 'token-expired' }));
      m.scheduler.schedule(() => {
        fail(unreachable);
        expect(backoff.notBefore).toBe(6_000);
      }, 5_000);
    })();
  });

  it('R16 also retries quickly when a trigger came before the connection broke', () => {
    marbles(({ clock }) => {
      const backoff = createBackoff(defaultTimeouts, clock);
      backoff.requestReconnect();
      backoff.recordDisconnect(unexpectedClose, 1_000);
      expect(backoff.notBefore).toBe(0);
      backoff.recordDisconnect(unreachable, 0);
      expect(backoff.notBefore).toBe(100);
    })();
  });

  it(
    'R16 shows one wait and one attempt when each quick retry takes long to fail',
    marbles((m) => {
      const broken = ['w', createEndingWire(m, '2s x')] as const;
      const slow = Array.from({ length: 33 }, () => '150ms #');
      const { session } = createTestSession(m, { dial: createScriptedDial(m, broken, ...slow).dial });
      m.expectObservable(lettersOf(session.connectionState$), '5500ms !').toBe('C 1999ms d 149ms c 3049ms d');
    }),
  );

  it(
    'R16 shows the first attempt of a realm that is opened again at once',
    marbles((m) => {
      const broken = ['w', createEndingWire(m, '2s x')] as const;
      const { dial } = createScriptedDial(m, broken, '50ms #', '50ms w');
      const client = createTestClient(m, { dial, timeouts: { linger: 0 } });
      const first = client.open();
      runAt(m, '2060ms x', { x: () => closeRealm(first, true) });
      runAt(m, '2200ms o', {
        o: () =>
          m.expectObservable(lettersOf(client.open().session.connectionState$), '2400ms !').toBe('2200ms c 49ms C'),
      });
    }),
  );

  it(
    'R16 shows that the app is asked for a token also when a quick retry waits for it',
    marbles((m) => {
      const { dial } = createScriptedDial(m, ['w', createEndingWire(m, '2s x')]);
      let calls = 0;
      const client = createTestClient(m, { dial, accessToken: () => (++calls === 1 ? of('token') : NEVER) });
      const { session } = client.open();
      runAt(m, '1s e', { e: () => client.tokens.markExpired() });
      m.expectObservable(session.syncState$, '3s !').toBe('a 2049ms w', { a: 'active', w: 'waitingForAccessToken' });
    }),
  );

  it(
    'R16 reports the outage also when a token was renewed between the quick retries and the next failure',
    marbles((m) => {
      const expired = { type: 'error', session: null, code: 'token-expired', text: '', retry: 'later' } as const;
      const rejecting = createAnsweringServer({ answers: ({ type }) => (type === 'bind' ? of(expired) : undefined) });
      const broken = ['w', createEndingWire(m, '2s x')] as const;
      const { dial } = createScriptedDial(m, broken, '#', ['w', rejecting], '5s #');
      const { session } = createTestSession(m, { dial, accessToken: () => of('token') });
      m.expectObservable(session.errors$.pipe(map(({ code }) => code)), '9s !').toBe('7150ms e', {
        e: 'connection-failed',
      });
    }),
  );
});
