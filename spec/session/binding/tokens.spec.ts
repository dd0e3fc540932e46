import { catchError, defer, EMPTY, map, NEVER, type Observable, of, Subject, throwError } from 'rxjs';
import type { ClientMessage } from '../../../lib/protocol/messages.js';
import type { SyncError } from '../../../lib/model/errors.js';
import { marbles, type MarbleHelpers } from '../../../lib/testing/marbles.js';
import {
  createAnsweringServer,
  runAt,
  closeRealm,
  lettersOf,
  logOut,
  createScriptedDial,
  createTestClient,
  createTestSession,
  type TestWire,
} from '../test-kit.js';

/** Creates a token that expires at this time in seconds (RFC 7519). */
const jwt = (exp: number): string => `h.${btoa(JSON.stringify({ exp })).replace(/=+$/, '')}.s`;

/** Runs a wait that fails, with only the code of its error. */
const codeOf = (wait: Observable<unknown>) =>
  wait.pipe(
    catchError((thrown: unknown) => {
      throw new Error((thrown as SyncError).code);
    }),
  );

/** Creates an app that gives these tokens one after the other, and counts its calls. */
const app = (m: MarbleHelpers, ...answers: readonly { readonly diagram: string; readonly token: string | null }[]) => {
  let asked = 0;
  return {
    asked: () => asked,
    accessToken: () => defer(() => m.cold(answers[asked]?.diagram ?? '|', { t: answers[asked++]?.token ?? null })),
  };
};

/** Creates a server that accepts only this token. `null` in a message: the last token on the same connection. */
const taking =
  (good: string): TestWire =>
  (sent$) =>
    defer(() => {
      let last: string | null = null;
      return createAnsweringServer({
        answers: (message) => {
          if (message.type !== 'bind') return undefined;
          last = message.token ?? last;
          const { session } = message;
          return last === good
            ? undefined
            : of({ type: 'error', session, code: 'token-expired', text: 'expired', retry: 'later' } as const);
        },
      })(sent$);
    });

describe('access tokens', () => {
  it(
    'S17 waits for a new token when the server reports it as expired, with one request for all sessions, and continues',
    marbles((m) => {
      const { accessToken, asked } = app(m, { diagram: '(t|)', token: 'old' }, { diagram: '-----(t|)', token: 'new' });
      const client = createTestClient(m, { dial: createScriptedDial(m, ['--w', taking('new')]).dial, accessToken });
      const both = [client.open(), client.open()];
      for (const { session } of both) {
        m.expectObservable(lettersOf(session.connectionState$), '20ms !').toBe('c-(dc)-C');
        m.expectObservable(lettersOf(session.syncState$), '20ms !').toBe('     a-t----a');
        m.expectObservable(session.errors$, '20ms !').toBe('');
      }
      runAt(m, '10ms x', { x: () => expect(asked()).toBe(2) });
    }),
  );

  it(
    'S17 waits before the connection attempt when the token itself shows that it has expired',
    marbles((m) => {
      const { accessToken, asked } = app(
        m,
        { diagram: '(t|)', token: jwt(0) },
        { diagram: '---(t|)', token: jwt(9e9) },
      );
      const { dial, lines } = createScriptedDial(m, ['--w', taking(jwt(9e9))]);
      const { session } = createTestSession(m, { dial, accessToken });
      m.expectObservable(lettersOf(session.syncState$), '20ms !').toBe('t--a');
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('        ---^');
      runAt(m, '10ms x', { x: () => expect(asked()).toBe(2) });
    }),
  );

  it(
    'S18 believes a token that was just renewed, however expired it looks on a clock that is fast: one refresh, no loop',
    marbles((m) => {
      const { accessToken, asked } = app(m, { diagram: '(t|)', token: jwt(0) }, { diagram: '(t|)', token: jwt(-1) });
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['-----w', taking(jwt(-1))]).dial,
        accessToken,
      });
      m.expectObservable(lettersOf(session.connectionState$), '20ms !').toBe('(dc)-C');
      runAt(m, '10ms x', { x: () => expect(asked()).toBe(2) });
    }),
  );

  it(
    'S19 ends the session and its waits with one fatal error when the refresh is rejected',
    marbles((m) => {
      const rejection = { status: 401 };
      let asked = 0;
      const accessToken = () => defer(() => (asked++ === 0 ? of('old') : m.cold('---#', {}, rejection)));
      const { session, realm } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', taking('new')]).dial,
        accessToken,
      });
      realm.write();
      m.expectObservable(lettersOf(session.syncState$)).toBe('a-t--i');
      m.expectObservable(codeOf(session.uploadComplete$)).toBe('-----#', {}, new Error('token-refused'));
      m.expectObservable(
        session.errors$.pipe(map(({ code, fatal, level }: SyncError) => ({ code, fatal, level }))),
      ).toBe('-----e', {
        e: { code: 'token-refused', fatal: true, level: 'client' },
      });
    }),
  );

  it(
    'S20 S22 forgets a refresh when it is logged out or closed meanwhile: the late answer changes nothing',
    marbles((m) => {
      for (const leave of [logOut, closeRealm]) {
        const { accessToken } = app(m, { diagram: '(t|)', token: jwt(0) }, { diagram: '10ms (t|)', token: 'new' });
        const { dial, lines } = createScriptedDial(m, '--w');
        const scene = createTestSession(m, { dial, accessToken });
        runAt(m, '---x', { x: () => leave(scene) });
        m.expectObservable(lettersOf(scene.session.syncState$), '50ms !').toBe(
          leave === closeRealm ? 't--(i|)' : 't--i',
        );
        m.expectSubscriptions(lines[0]!.subscriptions).toBe([]);
      }
    }),
  );

  it(
    'S21 is active with the old token when the refresh fails for a reason that is not the user, and asks less and less often',
    marbles((m) => {
      const times: number[] = [];
      let first = true;
      const accessToken = () =>
        defer(() => {
          if (!first) times.push(m.scheduler.now());
          const answer = first ? of('old') : throwError(() => Object.assign(new Error('busy'), { status: 503 }));
          first = false;
          return answer;
        });
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['--w', taking('new')]).dial, accessToken });
      runAt(m, '8s x', { x: () => expect(scene.session.syncState).toBe('active') });
      runAt(m, '8s x', { x: () => expect(times).toEqual([2, 2002, 6002]) });
      runAt(m, '8s -x', { x: () => closeRealm(scene) });
    }),
  );

  it(
    'waits on a stream that replays the old token until it has another one',
    marbles((m) => {
      const token = new Subject<string>();
      let asked = 0;
      const accessToken = () => (asked++ === 0 ? of('old') : token);
      runAt(m, '-----o---n', { o: () => token.next('old'), n: () => token.next('new') });
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', taking('new')]).dial,
        accessToken,
      });
      m.expectObservable(lettersOf(session.syncState$), '20ms !').toBe('a-t------a');
    }),
  );

  it(
    'is sent once on a connection, however many sessions bind on it',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const client = createTestClient(m, {
        dial: of(createAnsweringServer({ received })),
        accessToken: () => of('secret'),
      });
      client.open();
      client.open();
      expect(received).toMatchObject([{ token: 'secret' }, { token: null }]);
    }),
  );

  it(
    'treats an invalid token as a rejected user, without showing it',
    marbles((m) => {
      for (const token of [null, '', 'x'.repeat(10_000), 7 as unknown as string]) {
        const scene = createTestSession(m, { dial: createScriptedDial(m, '--w').dial, accessToken: () => of(token) });
        expect(scene.session.syncState).toBe('inactive');
      }
      const none = createTestSession(m, { dial: NEVER, accessToken: () => EMPTY });
      expect(none.session.syncState).toBe('inactive');
    }),
  );

  it(
    'S17 are renewed, once and at once, when the server ends the whole connection because of one',
    marbles((m) => {
      const rejecting: TestWire = (sent$) =>
        createAnsweringServer({
          answers: (message) =>
            message.type === 'bind' && message.token === 'old'
              ? of({ type: 'error', session: null, code: 'token-expired', text: 'expired', retry: 'later' } as const)
              : undefined,
        })(sent$);
      const { accessToken, asked } = app(m, { diagram: '(t|)', token: 'old' }, { diagram: '-----(t|)', token: 'new' });
      const client = createTestClient(m, {
        dial: createScriptedDial(m, ['--w', rejecting], ['-w', rejecting]).dial,
        accessToken,
      });
      for (const { session } of [client.open(), client.open()]) {
        m.expectObservable(lettersOf(session.connectionState$), '20ms !').toBe('c-d----cC');
        m.expectObservable(lettersOf(session.syncState$), '20ms !').toBe('     a-t-----a');
        m.expectObservable(session.errors$, '20ms !').toBe('');
      }
      runAt(m, '10ms x', { x: () => expect(asked()).toBe(2) });
    }),
  );

  it(
    'S19 that are rejected for the whole connection end all sessions, with one error',
    marbles((m) => {
      const rejecting: TestWire = createAnsweringServer({
        answers: (message) =>
          message.type === 'bind'
            ? of({ type: 'error', session: null, code: 'token-expired', text: 'expired', retry: 'later' } as const)
            : undefined,
      });
      const { accessToken } = app(m, { diagram: '(t|)', token: 'old' }, { diagram: '---(t|)', token: null });
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', rejecting]).dial, accessToken });
      m.expectObservable(lettersOf(session.syncState$), '20ms !').toBe('a-t--i');
      const shown = expect.objectContaining({ code: 'token-refused' }) as unknown;
      m.expectObservable(session.errors$, '20ms !').toBe('-----e', { e: shown });
    }),
  );

  const receivedBy = (received: ClientMessage[]) => (type: ClientMessage['type']) =>
    received.filter((message) => message.type === type).map((message) => ('token' in message ? message.token : ''));

  it(
    'S17 that a stream emits later are sent on the open connection, without a reconnect and without another request',
    marbles((m) => {
      const received: ClientMessage[] = [];
      let asked = 0;
      const accessToken = () => {
        asked += 1;
        return m.cold('a----b---c', { a: 'one', b: 'two', c: 'three' });
      };
      const { dial } = createScriptedDial(m, ['--w', createAnsweringServer({ received })]);
      const opened = createTestSession(m, { dial, accessToken });
      m.expectObservable(lettersOf(opened.session.connectionState$), '15ms !').toBe('c-C---------d');
      runAt(m, '------------x', { x: () => opened.machine.dispatch({ type: 'input', input: 'pause' }) });
      runAt(m, '-----------x', {
        x: () => {
          expect(receivedBy(received)('bind')).toEqual(['one']);
          expect(receivedBy(received)('token')).toEqual(['two', 'three']);
          expect(asked).toBe(1);
        },
      });
    }),
  );

  it(
    'of a new log-in are requested at once and sent on the open connection',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const scene = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', createAnsweringServer({ received })]).dial,
        accessToken: () => of('old'),
      });
      runAt(m, '-----l', { l: () => scene.tokens.setSource(() => of('new')) });
      m.expectObservable(lettersOf(scene.session.connectionState$), '15ms !').toBe('c-C');
      runAt(m, '------x', { x: () => expect(receivedBy(received)('token')).toEqual(['new']) });
    }),
  );
});
