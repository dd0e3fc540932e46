import { map, of, throwError } from 'rxjs';
import { StorageError, UnreadableChangeError } from '../../lib/model/errors.js';
import type { ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import { marbles, type MarbleHelpers } from '../../lib/testing/marbles.js';
import {
  createAnsweringServer,
  runAt,
  closeRealm,
  lettersOf,
  createEndingWire,
  createScriptedDial,
  createTestClient,
  createTestSession,
  type Opened,
} from './test-kit.js';
import { createTestRealm } from './test-realm.js';
import { boundFields } from '../protocol/bound-fields.js';

type OfSession<T> = T extends { readonly session: number | null } ? Omit<T, 'session'> : never;

/** Creates a server that answers one kind of message differently, after this number of milliseconds. */
const answering = (m: MarbleHelpers, to: ClientMessage['type'], ms: number, ...answers: OfSession<ServerMessage>[]) =>
  createAnsweringServer({
    answers: (message) =>
      message.type === to && 'session' in message
        ? m.cold(
            `${ms}ms (${answers.map((_, index) => index).join('')})`,
            Object.fromEntries(answers.map((answer, index) => [index, { ...answer, session: message.session }])),
          )
        : undefined,
  });

const codes = ({ session }: Opened) => session.errors$.pipe(map(({ code, fatal }) => `${code}${fatal ? '!' : ''}`));

const error = (code: string, retry: 'never' | 'later' | { readonly after: number } = 'never') =>
  ({ type: 'error', code, text: 'because', retry }) as const;

describe('an error of one session', () => {
  it(
    'E1 ends it and leaves the others alone',
    marbles((m) => {
      const client = createTestClient(m, {
        dial: createScriptedDial(m, ['--w', answering(m, 'upload', 0, error('bad-changeset'))]).dial,
      });
      const one = client.open();
      const other = client.open();
      runAt(m, '-----w', { w: () => one.realm.write() });
      m.expectObservable(lettersOf(one.session.syncState$), '  20ms !').toBe('a----i');
      m.expectObservable(codes(one), '                   20ms !').toBe('-----e', { e: 'bad-changeset!' });
      m.expectObservable(lettersOf(other.session.connectionState$), '20ms !').toBe('c-C');
      m.expectObservable(codes(other), '                 20ms !').toBe('');
    }),
  );

  it(
    'E2 suspends it when it may be tried again, and it binds again by its own backoff: 1 s, 2 s',
    marbles((m) => {
      const busy = answering(m, 'bind', 1, error('internal', 'later'));
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['--w', busy]).dial });
      m.expectObservable(lettersOf(scene.session.connectionState$), '3010ms !').toBe('c--d 999ms cd 1999ms cd');
      m.expectObservable(codes(scene), '3010ms !').toBe('---e', { e: 'suspended' }); // Once an outage.
      runAt(m, '3010ms x', { x: () => closeRealm(scene) });
    }),
  );

  it(
    'E2 reconnects at the time that the server sent',
    marbles((m) => {
      const busy = answering(m, 'bind', 1, error('internal', { after: 50 }));
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['--w', busy]).dial });
      m.expectObservable(lettersOf(scene.session.connectionState$), '60ms !').toBe('c--d 49ms cd');
      runAt(m, '60ms x', { x: () => closeRealm(scene) });
    }),
  );

  it(
    'E3 is tried at once on reconnect(), and its timer is gone',
    marbles((m) => {
      const busy = answering(m, 'bind', 1, error('internal', 'later'));
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['--w', busy]).dial });
      runAt(m, '10ms r', { r: scene.session.reconnect });
      m.expectObservable(lettersOf(scene.session.connectionState$), '1012ms !').toBe('c--d 6ms cd 999ms c');
      runAt(m, '1013ms x', { x: () => closeRealm(scene) });
    }),
  );

  it(
    'E4 is shown with the text of the server when its code is unknown',
    marbles((m) => {
      const scene = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', answering(m, 'bind', 0, error('quux'))]).dial,
      });
      const texts = scene.session.errors$.pipe(map(({ message, code }) => `${code}: ${message}`));
      m.expectObservable(texts).toBe('--e', { e: 'unknown: because (quux)' });
    }),
  );

  it.each([
    ['no-such-realm', 'no-such-realm!'],
    ['permission-denied', 'permission-denied!'],
    ['history-changed', 'history-changed!'],
    ['bad-cursor', 'history-changed!'],
    ['replica-taken', 'other-user!'],
    ['user-refused', 'user-refused!'],
  ])('of the code %s is fatal, and has a code of its own', (code, shown) => {
    marbles((m) => {
      const scene = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', answering(m, 'bind', 0, error(code))]).dial,
      });
      m.expectObservable(lettersOf(scene.session.syncState$)).toBe('a-i');
      m.expectObservable(codes(scene)).toBe('--e', { e: shown });
    })();
  });

  it(
    'can be tried again with resume()',
    marbles((m) => {
      let asked = 0;
      const once = createAnsweringServer({
        answers: (message) =>
          message.type === 'bind' && asked++ === 0
            ? of({ ...error('permission-denied'), session: message.session })
            : undefined,
      });
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', once]).dial });
      runAt(m, '-----r', { r: session.resume });
      m.expectObservable(lettersOf(session.syncState$)).toBe('     a-i--a');
      m.expectObservable(lettersOf(session.connectionState$)).toBe('c-d--(cC)');
    }),
  );
});

describe('a server that breaks the protocol', () => {
  it.each<[string, ClientMessage['type'], OfSession<ServerMessage>]>([
    ['accepted more than was uploaded', 'bind', { type: 'accepted', version: 3 }],
    [
      'downloads what was downloaded before',
      'bind',
      { type: 'download', changesets: [], upTo: 0, remaining: 0, bytes: 0, remainingBytes: 0 },
    ],
    [
      'has less than it acknowledged',
      'bind',
      {
        type: 'bound',
        history: 'h',
        head: -1,
        headBytes: 0,
        accepted: 0,
        serverTime: 0,
        frameBytesMax: 1,
        ...boundFields,
        snapshot: null,
      },
    ],
  ])('because it %s ends the session without a reconnect', (_, to, answer) => {
    marbles((m) => {
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['--w', answering(m, to, 0, answer)]).dial });
      m.expectObservable(codes(scene)).toBe('--e', { e: 'protocol-violation!' });
      m.expectObservable(lettersOf(scene.session.syncState$)).toBe('a-i');
    })();
  });

  it.each([
    [4400, 'protocol-violation!'],
    [4413, 'too-large!'],
    [1009, 'too-large!'],
  ])('with close code %d ends all sessions of the client', (code, shown) => {
    marbles((m) => {
      const client = createTestClient(m, {
        dial: createScriptedDial(m, ['--w', createEndingWire(m, '---x', createAnsweringServer(), code)]).dial,
      });
      for (const each of [client.open(), client.open()]) {
        m.expectObservable(lettersOf(each.session.syncState$)).toBe('a----i');
        m.expectObservable(codes(each)).toBe('-----e', { e: shown });
      }
    })();
  });
});

describe('a download', () => {
  const unreadable = expect.objectContaining({ code: 'unreadable-change' }) as unknown;
  const page = { type: 'download', changesets: [], upTo: 4, remaining: 2, bytes: 400, remainingBytes: 200 } as const;

  it(
    'is confirmed a second after it is stored, and shown at once with what is left',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const server = createAnsweringServer({
        received,
        answers: (message) => (message.type === 'mark' ? of({ ...page, session: message.session }) : undefined),
      });
      const realm = createTestRealm({ integrating: m.cold<never>('---|') });
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['--w', server]).dial, realm });
      m.expectObservable(scene.session.downloadComplete$, '---^ 1100ms !').toBe('');
      m.expectObservable(scene.session.status$.pipe(map(({ downloaded }) => downloaded.version)), '7ms !').toBe(
        '0-0---4',
        { 0: 0, 4: 4 },
      );
      runAt(m, '-----x', { x: () => expect(received.at(-1)?.type).toBe('mark') });
      runAt(m, '-- 1000ms ---x-y', {
        x: () => expect(received.at(-1)?.type).toBe('mark'),
        y: () => expect(received.at(-1)).toEqual({ type: 'received', session: 1, version: 4 }),
      });
    }),
  );

  it(
    'that waits for its confirmation leaves no timer behind when the session is closed',
    marbles((m) => {
      const server = createAnsweringServer({
        answers: (message) => (message.type === 'mark' ? of({ ...page, session: message.session }) : undefined),
      });
      const dial = createScriptedDial(m, ['--w', server]).dial;
      const opened = createTestSession(m, { dial, timeouts: { linger: 0 } });
      m.expectObservable(opened.session.downloadComplete$, '---^ 20ms !').toBe('');
      runAt(m, '30ms x', { x: () => closeRealm(opened, true) });
      runAt(m, '40ms t', { t: () => expect(m.scheduler.actions.filter(({ closed }) => !closed)).toEqual([]) });
    }),
  );

  it(
    'E10 that cannot be read ends the session, is reported to the server, and nothing more is applied',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = {
        ...createTestRealm(),
        integrate: () => throwError(() => new UnreadableChangeError(4, 'it is corrupt')),
      };
      const server = createAnsweringServer({
        received,
        answers: (message) => (message.type === 'mark' ? of({ ...page, session: message.session }) : undefined),
      });
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['--w', server]).dial, realm });
      m.expectObservable(scene.session.downloadComplete$, '---^').toBe('---#', {}, unreadable);
      m.expectObservable(codes(scene)).toBe('---e', { e: 'unreadable-change!' });
      m.flush();
      expect(received.map(({ type }) => type)).toEqual(['bind', 'mark', 'fault', 'unbind']);
    }),
  );

  it(
    'that cannot be stored ends the session with the error of the storage',
    marbles((m) => {
      const realm = { ...createTestRealm(), integrate: () => throwError(() => new StorageError('disk full')) };
      const server = createAnsweringServer({
        answers: (message) => (message.type === 'mark' ? of({ ...page, session: message.session }) : undefined),
      });
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['--w', server]).dial, realm });
      runAt(m, '---x', { x: () => scene.session.downloadComplete$.subscribe({ error: () => undefined }) });
      m.expectObservable(codes(scene)).toBe('---e', { e: 'storage!' });
    }),
  );

  it(
    'mark that was answered is not requested again on the next connection',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const { dial } = createScriptedDial(
        m,
        ['--w', createEndingWire(m, '4ms x')],
        ['--w', createAnsweringServer({ received })],
      );
      const scene = createTestSession(m, { dial });
      m.expectObservable(scene.session.downloadComplete$, '---^').toBe('---(0|)', { 0: 0 });
      runAt(m, '2s x', { x: () => expect(received.map(({ type }) => type)).toEqual(['bind']) });
      runAt(m, '2s -x', { x: () => closeRealm(scene) });
    }),
  );
});
