import { map } from 'rxjs';
import { marbles } from '../../../lib/testing/marbles.js';
import { createBackoff } from '../../../lib/session/connection/backoff.js';
import { Disconnect } from '../../../lib/session/connection/disconnect.js';
import { defaultTimeouts } from '../../../lib/session/connection/timeouts.js';
import {
  runAt,
  closeRealm,
  lettersOf,
  createEndingWire,
  createScriptedDial,
  createTestClient,
  createTestSession,
  unexpectedClose,
  unreachable,
} from '../test-kit.js';

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
