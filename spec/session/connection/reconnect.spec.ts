import { EMPTY, map, NEVER, of } from 'rxjs';
import { marbles, type MarbleHelpers } from '../../../lib/testing/marbles.js';
import type { ClientMessage } from '../../../lib/protocol/messages.js';
import type { Opened } from '../test-kit.js';
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
import { createTestRealm } from '../test-realm.js';

/** Returns the errors that `errors$` emitted until a moment. */
const reports = (m: MarbleHelpers, { session }: Opened, until: string) =>
  m.expectObservable(session.errors$.pipe(map(({ code }) => code)), until);

describe('reconnecting', () => {
  it(
    'R3 tries at once when asked to during a wait, and starts the waits over',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--#', '--#', '--#', '--#').dial });
      const asked = '      2s r';
      // Fails at 2 and at 1004; triggered at 2000, fails at 2002; 1 s.
      const states = 'c-d 999ms c-d 995ms c-d 999ms c-d';
      runAt(m, asked, { r: session.reconnect });
      m.expectObservable(lettersOf(session.connectionState$), '3010ms !').toBe(states);
    }),
  );

  it(
    'R4 changes nothing that can be seen while connecting or connected',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const { dial, lines } = createScriptedDial(m, ['---w', createAnsweringServer({ received })]);
      const { session } = createTestSession(m, { dial });
      runAt(m, '-r---r', { r: session.reconnect });
      m.expectObservable(lettersOf(session.connectionState$), '20ms !').toBe('c--C');
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('^');
      runAt(m, '10ms x', {
        x: () => expect(received.map(({ type }) => type).sort()).toEqual(['bind', 'ping', 'ping']),
      });
    }),
  );

  it(
    'R5 pings a dead connection at once, closes it at the read timeout, and reconnects without a wait',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const dead = createAnsweringServer({ received, ignored: ['ping'] });
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', dead], '-----w').dial,
        timeouts: { read: 50 },
      });
      runAt(m, '20ms r', { r: session.reconnect });
      runAt(m, '21ms x', { x: () => expect(received.at(-1)).toEqual({ type: 'ping', sentAt: 20 }) });
      m.expectObservable(lettersOf(session.connectionState$), '60ms !').toBe('c-C 49ms (dc)-C');
    }),
  );

  it(
    'R5 ends a socket that leaves a probe unanswered, when an app knows better than the read timeout',
    marbles((m) => {
      const dead = createAnsweringServer({ ignored: ['ping'] });
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', dead], '-----w').dial,
        timeouts: { probe: 30 },
      });
      runAt(m, '20ms r', { r: session.reconnect });
      m.expectObservable(lettersOf(session.connectionState$), '60ms !').toBe('c-C 47ms (dc)-C');
    }),
  );

  it(
    'R6 R11 closes a connection that was silent for the read timeout, and no other, without a report',
    marbles((m) => {
      const talking = createAnsweringServer({ answers: ({ type }) => (type === 'mark' ? EMPTY : undefined) });
      const scene = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', talking]).dial,
        timeouts: { read: 50, ping: 40 },
      });
      m.expectObservable(lettersOf(scene.session.connectionState$), '200ms !').toBe('c-C');
      const silent = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', createAnsweringServer({ ignored: ['ping'] })], '--w').dial,
        timeouts: { read: 50, ping: 40 },
      });
      m.expectObservable(lettersOf(silent.session.connectionState$), '1080ms !').toBe('c-C 49ms d 999ms c-C');
      reports(m, silent, '1080ms !').toBe('');
      runAt(m, '1100ms x', { x: () => [scene, silent].forEach((each) => closeRealm(each)) });
    }),
  );

  it(
    'R7 waits as usual after a disconnect when the ping of reconnect() was answered',
    marbles((m) => {
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', createEndingWire(m, '40ms x')], '--w').dial,
      });
      runAt(m, '20ms r', { r: session.reconnect });
      m.expectObservable(lettersOf(session.connectionState$), '1050ms !').toBe('c-C 39ms d 999ms c-C');
    }),
  );

  it(
    'R8 does nothing for a session that is paused or inactive',
    marbles((m) => {
      const { dial, lines } = createScriptedDial(m, '--w');
      const client = createTestClient(m, { dial });
      client.open(createTestRealm(), 'paused');
      client.open(createTestRealm(), 'inactive');
      runAt(m, '---r', { r: client.reconnect });
      m.expectSubscriptions(lines[0]!.subscriptions).toBe([]);
    }),
  );

  it(
    'R9 R10 makes all sessions of the client try at once',
    marbles((m) => {
      const client = createTestClient(m, { dial: createScriptedDial(m, '--#', '--w').dial });
      const both = [client.open(), client.open()];
      runAt(m, '10ms r', { r: client.reconnect });
      for (const { session } of both) {
        m.expectObservable(lettersOf(session.connectionState$), '20ms !').toBe('c-d 7ms c-C');
      }
    }),
  );

  it(
    'R12 ends a handshake that takes too long, reports it once an outage, and reconnects',
    marbles((m) => {
      const scene = createTestSession(m, { dial: NEVER, timeouts: { connect: 100 } });
      m.expectObservable(lettersOf(scene.session.connectionState$), '1300ms !').toBe('c 99ms d 999ms c 99ms d');
      reports(m, scene, '1300ms !').toBe('100ms a', { a: 'connection-failed' });
    }),
  );

  it(
    'R13 does not reconnect when the server asks for that, until a trigger comes',
    marbles((m) => {
      const rejecting = () =>
        of({ type: 'error', session: null, code: 'restarting', text: 'closed for good', retry: 'never' } as const);
      const { dial } = createScriptedDial(m, ['--w', createAnsweringServer({ answers: rejecting })], '--w');
      const { session } = createTestSession(m, { dial });
      runAt(m, '60m r', { r: session.reconnect });
      runAt(m, ' 1s x', { x: () => expect(session.status.connection).toMatchObject({ retryAt: null }) });
      m.expectObservable(lettersOf(session.connectionState$), '3700s !').toBe('c-d 3599997ms c-C');
    }),
  );

  it(
    'R13 reconnects at the time that the server sent, and not by its own backoff',
    marbles((m) => {
      const restarting = () =>
        of({ type: 'error', session: null, code: 'restarting', text: '', retry: { after: 70 } } as const);
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', createAnsweringServer({ answers: restarting })], '--w').dial,
      });
      m.expectObservable(lettersOf(session.connectionState$), '100ms !').toBe('c-d 69ms c-C');
    }),
  );
});
