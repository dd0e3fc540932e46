import { concat, of, timeout } from 'rxjs';
import { SessionClosedError, type SyncError } from '../../../lib/model/errors.js';
import { marbles } from '../../../lib/testing/marbles.js';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import {
  createAnsweringServer,
  runAt,
  closeRealm,
  lettersOf,
  createEndingWire,
  logOut,
  createScriptedDial,
  createTestSession,
} from '../test-kit.js';
import { createTestRealm } from '../test-realm.js';

/** Creates a server that answers uploads and marks after this number of milliseconds. */
const slow = (m: Parameters<typeof createScriptedDial>[0], ms: number) =>
  createAnsweringServer({
    answers: (message) => {
      if (message.type === 'upload') {
        const version = message.changesets.at(-1)!.version;
        return m.cold(`${ms}ms a`, { a: { type: 'accepted', session: message.session, version } as ServerMessage });
      }
      if (message.type === 'mark') {
        const { session, request } = message;
        return m.cold(`${ms}ms a`, { a: { type: 'mark', session, request, version: 7 } as ServerMessage });
      }
      return undefined;
    },
  });

describe('uploadComplete$', () => {
  it(
    'W1 emits at once when nothing waits, even if it never was connected',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--#').dial });
      m.expectObservable(session.uploadComplete$, '10ms !').toBe('(0|)', { 0: 0 });
    }),
  );

  it(
    'W2 emits the version reached after the acknowledgement, and not before',
    marbles((m) => {
      const { session, realm } = createTestSession(m, { dial: createScriptedDial(m, ['--w', slow(m, 5)]).dial });
      runAt(m, '---w', { w: () => realm.write() });
      const asked = '    ----^';
      const expected = ' --------(1|)';
      m.expectObservable(session.uploadComplete$, asked).toBe(expected, { 1: 1 });
    }),
  );

  it(
    'W2 is not held up by an acknowledgement that was sent and not stored: it emits once it is stored',
    marbles((m) => {
      const realm = createTestRealm();
      const stored = m.cold<never>('---|');
      const { acknowledge } = realm;
      const slowly = { ...realm, acknowledge: (version: number) => concat(stored, acknowledge(version)) };
      const { session } = createTestSession(m, { dial: createScriptedDial(m, '--w').dial, realm: slowly });
      runAt(m, '---w', { w: () => realm.write() });
      m.expectObservable(session.uploadComplete$, '----^').toBe('------(1|)', { 1: 1 });
    }),
  );

  it(
    'W5 emits for each of many that wait',
    marbles((m) => {
      const { session, realm } = createTestSession(m, { dial: createScriptedDial(m, ['--w', slow(m, 5)]).dial });
      runAt(m, '---w', { w: () => realm.write() });
      for (let readers = 0; readers < 20; readers++) {
        m.expectObservable(session.uploadComplete$, '----^').toBe('   --------(1|)', { 1: 1 });
        m.expectObservable(session.downloadComplete$, '----^').toBe(' ---------(7|)', { 7: 7 });
      }
    }),
  );

  it(
    'W6 is silent while offline and emits when the connection is back',
    marbles((m) => {
      const { session, realm } = createTestSession(m, { dial: createScriptedDial(m, '--#', '--w').dial });
      realm.write();
      m.expectObservable(session.uploadComplete$).toBe('1004ms (1|)', { 1: 1 });
    }),
  );

  it(
    'W7 emits after disconnects in between, when the lost changesets have been sent again',
    marbles((m) => {
      const lossy = () => createEndingWire(m, '--x', slow(m, 5));
      const { dial } = createScriptedDial(m, ['--w', lossy()], ['--w', lossy()], ['--w', slow(m, 5)]);
      const { session, realm } = createTestSession(m, { dial });
      realm.write();
      m.expectObservable(session.uploadComplete$).toBe('3015ms (1|)', { 1: 1 }); // Disconnects at 4 and 1008, reconnects at 3008.
    }),
  );

  it(
    'W8 errors with SessionClosedError when the session ends',
    marbles((m) => {
      const scene = createTestSession(m, { dial: createScriptedDial(m, '--#').dial });
      scene.realm.write();
      runAt(m, '----x', { x: () => closeRealm(scene, true) });
      m.expectObservable(scene.session.uploadComplete$).toBe('  ----#', {}, new SessionClosedError('closed'));
      m.expectObservable(scene.session.downloadComplete$).toBe('----#', {}, new SessionClosedError('closed'));
      m.expectObservable(scene.session.downloadComplete$, '------^').toBe(
        '------#',
        {},
        new SessionClosedError('The session has ended. Open the realm again.'),
      );
    }),
  );

  it(
    'W8 errors on log-out',
    marbles((m) => {
      const scene = createTestSession(m, { dial: createScriptedDial(m, '--#').dial });
      scene.realm.write();
      runAt(m, '----x', { x: () => logOut(scene) });
      m.expectObservable(scene.session.uploadComplete$).toBe('----#', {}, new SessionClosedError('logged out'));
    }),
  );

  it(
    'W9 is silent while paused and emits after resume()',
    marbles((m) => {
      const { session, realm } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', slow(m, 5)], ['--w', slow(m, 5)]).dial,
      });
      runAt(m, '---w-p----r', { w: () => realm.write(), p: session.pause, r: session.resume });
      m.expectObservable(session.uploadComplete$, '  ----^').toBe('---- 11ms (1|)', { 1: 1 });
      m.expectObservable(session.downloadComplete$, '------^').toBe('---- 11ms (7|)', { 7: 7 });
    }),
  );

  it(
    'W11 ends with `timeout` without ending the upload',
    marbles((m) => {
      const { session, realm } = createTestSession(m, { dial: createScriptedDial(m, ['--w', slow(m, 50)]).dial });
      runAt(m, '---w', { w: () => realm.write() });
      const hasty = session.uploadComplete$.pipe(timeout({ first: 10, scheduler: m.scheduler, with: () => of(-1) }));
      m.expectObservable(hasty, '                   ----^').toBe('---- 10ms (x|)', { x: -1 });
      m.expectObservable(session.uploadComplete$, ' ----^').toBe('---- 49ms (1|)', { 1: 1 });
    }),
  );

  it(
    'W13 is not extended by a later write',
    marbles((m) => {
      const { session, realm } = createTestSession(m, { dial: createScriptedDial(m, ['--w', slow(m, 5)]).dial });
      runAt(m, '---w--w', { w: () => realm.write() });
      m.expectObservable(session.uploadComplete$, '----^').toBe('--------(1|)', { 1: 1 });
    }),
  );
});

describe('downloadComplete$', () => {
  it(
    'W4 takes one round trip, each time, when there is nothing to download',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', slow(m, 5)]).dial });
      m.expectObservable(session.downloadComplete$, '---^').toBe('        --- 5ms (7|)', { 7: 7 });
      m.expectObservable(session.downloadComplete$, '20ms ^').toBe('20ms 5ms (7|)', { 7: 7 });
    }),
  );

  it(
    'W3 emits when what came before the mark is stored: not when it is received, and not before',
    marbles((m) => {
      const body = new Uint8Array();
      const page = (session: number) =>
        ({
          type: 'download',
          session,
          changesets: [{ version: 5, origin: 'other', time: 0, count: 0, body }],
          upTo: 5,
          remaining: 0,
          bytes: 32,
          remainingBytes: 0,
        }) as const;
      const server = createAnsweringServer({
        answers: (message) =>
          message.type === 'mark'
            ? m.cold('-(pm)', {
                p: page(message.session),
                m: { type: 'mark', session: message.session, request: message.request, version: 5 } as const,
              })
            : undefined,
      });
      const realm = createTestRealm({ integrating: m.cold<never>('10ms |') });
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', server]).dial, realm });
      m.expectObservable(session.downloadComplete$, '---^').toBe('--- 11ms (5|)', { 5: 5 });
      m.flush();
      expect(realm.pages).toHaveLength(1);
    }),
  );

  it(
    'W6 W7 requests a mark again after a disconnect, and emits when it is answered',
    marbles((m) => {
      const { dial } = createScriptedDial(m, ['--w', createEndingWire(m, '--x', slow(m, 5))], ['--w', slow(m, 5)]);
      const { session } = createTestSession(m, { dial });
      m.expectObservable(session.downloadComplete$).toBe('1011ms (7|)', { 7: 7 });
    }),
  );

  it(
    'W10 errors with exactly the error that ended the session: after connectionState$, before syncState$ and errors$',
    marbles((m) => {
      const fatal = { type: 'error', code: 'permission-denied', text: 'no', retry: 'never' } as const;
      const server = createAnsweringServer({
        answers: (message) =>
          message.type === 'mark' ? m.cold('---e', { e: { ...fatal, session: message.session } }) : undefined,
      });
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', server]).dial });
      const order: string[] = [];
      session.errors$.subscribe(({ code }) => order.push(`errors$ ${code}`));
      session.syncState$.subscribe((state) => order.push(state));
      session.downloadComplete$.subscribe({
        error: (thrown: unknown) => order.push(`wait ${(thrown as SyncError).code}`),
      });
      session.connectionState$.subscribe((state) => order.push(state));
      m.expectObservable(lettersOf(session.syncState$)).toBe('a----i');
      m.flush();
      expect(order).toEqual([
        ...['active', 'connecting', 'connected'],
        ...['disconnected', 'wait permission-denied', 'inactive', 'errors$ permission-denied'],
      ]);
    }),
  );

  it(
    'is cancelled by unsubscribing, and nothing else is',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', slow(m, 5)]).dial });
      m.expectObservable(session.downloadComplete$, '---^--!').toBe('');
      m.expectObservable(session.downloadComplete$, '---^').toBe('--- 5ms (7|)', { 7: 7 });
    }),
  );
});
