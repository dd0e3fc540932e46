import { EMPTY, map, type Observable, of } from 'rxjs';
import { marbles } from '../../../lib/testing/marbles.js';
import type { ClientMessage, ServerMessage } from '../../../lib/protocol/messages.js';
import {
  createAnsweringServer,
  runAt,
  closeRealm,
  lettersOf,
  createEndingWire,
  createScriptedDial,
  createTestClient,
  createTestSession,
} from '../test-kit.js';
import { boundFields } from '../../protocol/bound-fields.js';

describe('a connection that ends while it is being emitted', () => {
  it(
    'R9 is seen in order by every session: none binds on a closed connection',
    marbles((m) => {
      const rejecting = (): Observable<ServerMessage> =>
        of({ type: 'error', session: null, code: 'restarting', text: '', retry: 'never' });
      const client = createTestClient(m, {
        dial: createScriptedDial(m, ['--w', createAnsweringServer({ answers: rejecting })]).dial,
      });
      const [one, two] = [client.open(), client.open()];
      m.expectObservable(lettersOf(one.session.connectionState$), '400s !').toBe('c-d');
      m.expectObservable(lettersOf(two.session.connectionState$), '400s !').toBe('c-d');
    }),
  );
});

describe('connectionState', () => {
  it(
    'C1 is connecting until the connection is open and the bind is answered, then connected',
    marbles((m) => {
      const slow = createAnsweringServer({
        answers: (message) => (message.type === 'bind' ? m.cold('---b', { b: bound(message.session) }) : undefined),
      });
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', slow]).dial });
      m.expectObservable(lettersOf(session.connectionState$)).toBe('c----C');
    }),
  );

  it(
    'C2 is disconnected exactly once when the server closes, 1000 included, and shows the code',
    marbles((m) => {
      const { dial } = createScriptedDial(
        m,
        ['--w', createEndingWire(m, '---o')],
        ['--w', createEndingWire(m, '---x')],
      );
      const { session } = createTestSession(m, { dial });
      const until = '                                                 1999ms    !';
      m.expectObservable(lettersOf(session.connectionState$), until).toBe('c-C--d 999ms c-C--d');
      m.expectObservable(session.connectionChanges$, '6ms !').toBe('--a--b', {
        a: { previous: 'connecting', current: 'connected' },
        b: { previous: 'connected', current: 'disconnected' },
      });
      runAt(m, '1s 12ms x', {
        x: () =>
          expect(session.status.connection).toMatchObject({
            reason: { kind: 'closed-by-server', code: 1006 },
            attempt: 1, // The reason differs from the last one, so the backoff begins again.
          }),
      });
    }),
  );

  it(
    'C3 is connecting, then connected, for a second session on an open socket, without a new one',
    marbles((m) => {
      const slow = createAnsweringServer({
        answers: (message) => (message.type === 'bind' ? m.cold('---b', { b: bound(message.session) }) : undefined),
      });
      const { dial, lines } = createScriptedDial(m, ['--w', slow], '--w');
      const client = createTestClient(m, { dial });
      client.open();
      runAt(m, '-------o', {
        o: () => m.expectObservable(lettersOf(client.open().session.connectionState$)).toBe('-------c--C'),
      });
      m.flush();
      expect(lines[0]!.subscriptions).toHaveLength(1);
      expect(lines[1]!.subscriptions).toHaveLength(0);
    }),
  );

  it(
    'C4 emits nothing more after unsubscribing, and continues for the other subscribers',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--w').dial });
      runAt(m, '----p', { p: session.pause });
      m.expectObservable(lettersOf(session.connectionState$), '---!').toBe('c-C');
      m.expectObservable(lettersOf(session.connectionState$)).toBe('        c-C-d');
    }),
  );

  it(
    'C5 can be unsubscribed from inside the observer',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--w').dial });
      const states: string[] = [];
      const subscription = session.connectionState$.subscribe((state) => {
        states.push(state);
        if (state === 'connected') subscription.unsubscribe();
      });
      runAt(m, '----p', { p: session.pause });
      m.expectObservable(lettersOf(session.connectionState$)).toBe('c-C-d');
      m.flush();
      expect(states).toEqual(['connecting', 'connected']);
    }),
  );

  it(
    'C6 gives a late reader of connectionState$ the present value, and one of connectionChanges$ the next change only',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--w').dial });
      runAt(m, '------p', { p: session.pause });
      m.expectObservable(lettersOf(session.connectionState$), '----^--!').toBe('----C-d');
      m.expectObservable(session.connectionChanges$, '     ----^--!').toBe('------b', {
        b: { previous: 'connected', current: 'disconnected' },
      });
    }),
  );

  it(
    'C7 can be disconnected while the session is active',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--#').dial });
      m.expectObservable(lettersOf(session.syncState$), '        5ms !').toBe('a');
      m.expectObservable(lettersOf(session.connectionState$), '5ms !').toBe('  c-d');
      m.expectObservable(session.status$.pipe(map(({ connection }) => connection)), '3ms !').toBe('c-d', {
        c: { state: 'connecting', attempt: 1 },
        d: {
          state: 'disconnected',
          reason: { kind: 'unreachable', detail: 'no server there' },
          attempt: 1,
          retryAt: 1002,
        },
      });
    }),
  );

  it(
    'C8 is disconnected only for the session that the server suspends',
    marbles((m) => {
      const suspending = createAnsweringServer({
        answers: (message) =>
          message.type === 'upload'
            ? of({ type: 'error', session: message.session, code: 'internal', text: 'full', retry: 'later' } as const)
            : undefined,
      });
      const client = createTestClient(m, { dial: createScriptedDial(m, ['--w', suspending]).dial });
      const one = client.open();
      const other = client.open();
      runAt(m, '-----w', { w: () => one.realm.write() });
      m.expectObservable(lettersOf(one.session.connectionState$), '  20ms !').toBe('c-C--d');
      m.expectObservable(lettersOf(other.session.connectionState$), '20ms !').toBe('c-C');
    }),
  );

  it(
    'C9 has a socket of its own for every user: two clients never share one',
    marbles((m) => {
      const { dial, lines } = createScriptedDial(m, '--w', '--w');
      createTestClient(m, { dial }).open();
      createTestClient(m, { dial }).open();
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('^');
      m.expectSubscriptions(lines[1]!.subscriptions).toBe('^');
    }),
  );

  it(
    'C10 keeps the socket for a while after its last session, gives it to one that comes back, and closes it then',
    marbles((m) => {
      const { dial, lines } = createScriptedDial(m, '--w', '--w');
      const client = createTestClient(m, { dial, timeouts: { linger: 10 } });
      const first = client.open();
      const acts = '-----x-------o';
      const heldFor = '^ 22ms !'; // Last used at 13.
      runAt(m, acts, { x: () => closeRealm(first), o: () => closeRealm(client.open()) });
      m.expectSubscriptions(lines[0]!.subscriptions).toBe(heldFor);
      m.expectSubscriptions(lines[1]!.subscriptions).toBe([]);
    }),
  );

  it(
    'sends unbind when it leaves a shared connection, and binds under another number when it returns',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', createAnsweringServer({ received })]).dial,
      });
      runAt(m, '----p-r', { p: session.pause, r: session.resume });
      m.flush();
      expect(
        received.slice(0, 3).map((message) => [message.type, 'session' in message ? message.session : null]),
      ).toEqual([
        ['bind', 1],
        ['unbind', 1],
        ['bind', 2],
      ]);
    }),
  );

  it(
    'needs no socket: a server is a wire',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: of(createAnsweringServer()) });
      m.expectObservable(lettersOf(session.connectionState$)).toBe('C');
      expect(session.connectionState).toBe('connected');
    }),
  );

  it(
    'waits for the answer to its bind as long as for the connection, and then reconnects',
    marbles((m) => {
      const mute = createAnsweringServer({ answers: (message) => (message.type === 'bind' ? EMPTY : undefined) });
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', mute]).dial,
        timeouts: { connect: 50 },
      });
      m.expectObservable(lettersOf(session.connectionState$), '60ms !').toBe('c 51ms d');
      runAt(m, '55ms x', {
        x: () => expect(session.status.connection).toMatchObject({ reason: { kind: 'timed-out', what: 'bind' } }),
      });
    }),
  );
});

const bound = (session: number) =>
  ({
    type: 'bound',
    session,
    history: 'h',
    head: 0,
    headBytes: 0,
    accepted: 0,
    serverTime: 0,
    frameBytesMax: 1e6,
    ...boundFields,
    snapshot: null,
  }) as const;
