import { BehaviorSubject, concat, filter, map, merge, NEVER, type Observable, of, throwError } from 'rxjs';
import type { ClientMessage } from '../../../lib/protocol/messages.js';
import { marbles } from '../../../lib/testing/marbles.js';
import {
  createAnsweringServer,
  runAt,
  closeRealm,
  createScriptedDial,
  createTestClient,
  createTestSession,
  type TestWire,
} from '../test-kit.js';

const receivedBy = (received: ClientMessage[]) => (type: ClientMessage['type']) =>
  received.filter((message) => message.type === type).map((message) => ('token' in message ? message.token : ''));

describe('a token that is missing when the connection opens', () => {
  it(
    'is waited for as disconnected, and the session is connecting again when it has come: it is never connected without',
    marbles((m) => {
      const { dial } = createScriptedDial(m, '-----w');
      const client = createTestClient(m, { dial, accessToken: () => of('old') });
      const scene = client.open();
      // A user logs in while the connection is opened, and the app takes time for a token.
      runAt(m, '---u', { u: () => client.tokens.setSource(() => m.cold('10ms (t|)', { t: 'new' })) });
      m.expectObservable(scene.session.connectionState$, '30ms !').toBe('c----d-------(cC)', {
        d: 'disconnected',
        c: 'connecting',
        C: 'connected',
      });
      runAt(m, '40ms x', { x: () => closeRealm(scene, true) });
    }),
  );
});

describe('tokens that are asked for again', () => {
  /** Creates a server that accepts one token and ends connections with any other one, as the real server does. */
  const admitting = (good: string): TestWire =>
    createAnsweringServer({
      answers: (message) =>
        message.type === 'bind' && message.token !== good
          ? of({ type: 'error', session: null, code: 'token-expired', text: 'expired', retry: 'later' } as const)
          : undefined,
    });

  const busy = () => throwError(() => Object.assign(new Error('busy'), { status: 503 }));
  const broken = () => {
    throw new TypeError('no network');
  };

  it.each<[string, () => Observable<string>]>([
    ['is answered with 503', busy],
    ['throws', broken],
    ['never settles', () => NEVER],
    ['gives the expired token again', () => of('old')],
    ['replays the expired token and stays open', () => concat(of('old'), NEVER)],
  ])(
    'field report G-1: a renewal that %s is repeated by the backoff, reported once, and the session continues when it succeeds',
    (_, fails) => {
      marbles((m) => {
        const times: number[] = [];
        const accessToken = () => {
          times.push(m.scheduler.now());
          return times.length === 1 ? of('old') : times.length < 8 ? fails() : of('new');
        };
        const reported: string[] = [];
        const { dial } = createScriptedDial(m, ...Array.from({ length: 20 }, () => ['--w', admitting('new')] as const));
        const scene = createTestSession(m, { dial, accessToken, timeouts: { token: 3_000 }, errorCodes: reported });
        runAt(m, '60m x', {
          x: () => {
            expect(scene.session.connectionState).toBe('connected');
            expect(times).toHaveLength(8);
            const waits = times.slice(1).map((time, index) => time - (times[index] ?? 0));
            expect(Math.max(...waits)).toBeLessThan(100_000);
            expect(reported).toEqual(['token-unavailable']);
            closeRealm(scene, true);
          },
        });
      })();
    },
  );

  it(
    'field report G-1: renewal is repeated for ever, at most five minutes apart, and a trigger repeats it at once',
    marbles(
      (m) => {
        const times: number[] = [];
        const accessToken = () => {
          times.push(m.scheduler.now());
          return times.length === 1 ? of('old') : busy();
        };
        const { dial } = createScriptedDial(
          m,
          ...Array.from({ length: 500 }, () => ['--w', admitting('new')] as const),
        );
        const scene = createTestSession(m, { dial, accessToken });
        runAt(m, '1440m x', {
          x: () => {
            expect(times.length).toBeGreaterThan(24 * 12 - 5);
            expect(times.length).toBeLessThan(24 * 12 + 10);
          },
        });
        runAt(m, '86410s t---x', {
          t: scene.reconnect,
          x: () => {
            expect(times).toContain(86_410_000);
            closeRealm(scene, true);
          },
        });
      },
      { framesMax: 100_000_000 },
    ),
  );

  it(
    'field report G-1: the first question that fails is asked again, with the attempt and the time of the next one in the status, and at once by a trigger',
    marbles((m) => {
      let asked = 0;
      const accessToken = () =>
        ++asked < 4 ? m.cold('-#', {}, new Error('no network')) : m.cold('-(t|)', { t: 'new' });
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['--w', admitting('new')]).dial, accessToken });
      runAt(m, '3005ms t', { t: scene.reconnect });
      const wanted = (attempt: number, retryAt: number | null) => ({
        ...{ state: 'disconnected', reason: { kind: 'token-wanted' } as const, attempt, retryAt },
      });
      m.expectObservable(
        scene.session.status$.pipe(
          map(({ connection }) => connection),
          filter(({ state }) => state === 'disconnected'),
        ),
        '3009ms !',
      ).toBe('ab 999ms cd 1999ms ef-a', {
        a: wanted(0, null),
        b: wanted(1, 1_001),
        c: wanted(1, null),
        d: wanted(2, 3_002),
        e: wanted(2, null),
        f: wanted(3, 7_003),
      });
      runAt(m, '3010ms x', {
        x: () => {
          expect(scene.session.connectionState).toBe('connected');
          closeRealm(scene, true);
        },
      });
    }),
  );

  it(
    'field report B-9: an app that never answers is asked again after its bound, with a sign in the status, and reported once',
    marbles((m) => {
      const times: number[] = [];
      const reported: string[] = [];
      const accessToken = () => {
        times.push(m.scheduler.now());
        return times.length < 4 ? NEVER : of('new');
      };
      const scene = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', admitting('new')]).dial,
        accessToken,
        errorCodes: reported,
      });
      runAt(m, '30s x', {
        x: () => expect(scene.session.status.connection).toMatchObject({ reason: { kind: 'token-wanted' } }),
      });
      runAt(m, '10m x', {
        x: () => {
          expect(times).toEqual([0, 61_000, 123_000, 187_000]);
          expect(reported).toEqual(['token-unavailable']);
          expect(scene.session.connectionState).toBe('connected');
          closeRealm(scene, true);
        },
      });
    }),
  );

  it(
    'field report B-9: a trigger repeats an unanswered request to the app, but not one that has only just begun',
    marbles((m) => {
      const times: number[] = [];
      const accessToken = () => {
        times.push(m.scheduler.now());
        return NEVER;
      };
      const scene = createTestSession(m, { dial: NEVER, accessToken });
      runAt(m, '5s t', { t: scene.reconnect });
      runAt(m, '5500ms t', { t: scene.reconnect });
      runAt(m, '5600ms t', { t: scene.reconnect });
      runAt(m, '9s x', {
        x: () => {
          expect(times).toEqual([0, 5_000, 7_000]);
          closeRealm(scene, true);
        },
      });
    }),
  );

  it(
    'field report G-1: a rejection of the user during a renewal ends all sessions, with its error',
    marbles((m) => {
      let asked = 0;
      const rejectToken = () => throwError(() => Object.assign(new Error('gone'), { status: 401 }));
      const accessToken = () => [() => of('old'), busy, busy, rejectToken][asked++]?.() ?? NEVER;
      const { dial } = createScriptedDial(m, ...Array.from({ length: 9 }, () => ['--w', admitting('new')] as const));
      const { session } = createTestSession(m, { dial, accessToken });
      runAt(m, '1m x', {
        x: () =>
          expect([session.syncState, session.status.connection]).toMatchObject([
            'inactive',
            { reason: { code: 'token-refused' } },
          ]),
      });
    }),
  );

  it(
    'field report G-1: the late answer to a request before a log-in is not used for the current user',
    marbles((m) => {
      const accessToken = () => m.cold('10ms (t|)', { t: 'of the user before' });
      const received: ClientMessage[] = [];
      const scene = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', createAnsweringServer({ received })]).dial,
        accessToken,
      });
      runAt(m, '5ms l', { l: () => scene.tokens.setSource(() => m.cold('20ms (t|)', { t: 'of the present one' })) });
      runAt(m, '50ms x', {
        x: () => {
          expect(receivedBy(received)('bind')).toEqual(['of the present one']);
          closeRealm(scene, true);
        },
      });
    }),
  );

  it(
    'field report G-1: a token that has just come by itself is tried before the app is asked again, when the server reports one as expired',
    marbles((m) => {
      const token$ = new BehaviorSubject('old');
      let asked = 0;
      const accessToken = () => {
        asked += 1;
        return token$;
      };
      const late: TestWire = (sent$) =>
        merge(
          admitting('old')(sent$),
          m.cold('10ms e', {
            e: { type: 'error', session: null, code: 'token-expired', text: '', retry: 'later' } as const,
          }),
        );
      const scene = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', late], ['-w', admitting('new')]).dial,
        accessToken,
      });
      runAt(m, '10ms n', { n: () => token$.next('new') });
      runAt(m, '30ms x', {
        x: () => {
          expect([scene.session.connectionState, asked]).toEqual(['connected', 1]);
          closeRealm(scene, true);
        },
      });
    }),
  );
});
