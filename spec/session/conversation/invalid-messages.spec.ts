import { catchError, EMPTY, map, of } from 'rxjs';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import { marbles } from '../../../lib/testing/marbles.js';
import {
  createAnsweringServer,
  runAt,
  closeRealm,
  lettersOf,
  createScriptedDial,
  createTestSession,
} from '../test-kit.js';
import { createTestRealm } from '../test-realm.js';
import { boundFields } from '../../protocol/bound-fields.js';

type OfSession<T> = T extends { readonly session: number | null } ? Omit<T, 'session'> : never;

const bound: OfSession<ServerMessage> = {
  ...{
    type: 'bound',
    history: 'h',
    head: 0,
    headBytes: 0,
    accepted: 0,
    serverTime: 0,
    frameBytesMax: 1e6,
    ...boundFields,
    snapshot: null,
  },
};
const mark = (request: number) => ({ type: 'mark', request, version: 0 }) as const;
const page = (upTo: number, ...versions: number[]): OfSession<ServerMessage> => ({
  type: 'download',
  ...{ upTo, remaining: 0, bytes: 0, remainingBytes: 0 },
  changesets: versions.map((version) => ({ version, origin: 'o', time: 0, count: 0, body: new Uint8Array() })),
});

const view: OfSession<ServerMessage> = {
  ...{ type: 'view', number: 1, version: 0, scope: null, mode: 'resync', objects: 0, rejections: [] },
};
const members: OfSession<ServerMessage> = {
  ...{ type: 'members', number: 1, objects: [], leaves: [], position: null, upTo: 3, remaining: 0, bytes: 0 },
};
const parts: OfSession<ServerMessage> = {
  ...{ type: 'parts', changesets: [], states: [], leaves: [], upTo: 3, remaining: 0, bytes: 0, remainingBytes: 0 },
};

/** Creates a server that sends these messages after a bind. */
const answering = (...answers: readonly OfSession<ServerMessage>[]) =>
  createAnsweringServer({
    answers: (message) =>
      message.type === 'bind' ? of(...answers.map((answer) => ({ ...answer, session: message.session }))) : undefined,
  });

describe('a server that sends invalid messages', () => {
  it.each<[string, readonly OfSession<ServerMessage>[], number]>([
    ['binds a session twice', [bound, bound], 0],
    ['binds it twice, to another history', [bound, { ...bound, history: 'other', head: 9 }], 0],
    ['sends a page before it has bound', [page(3), bound], 0],
    ['answers a mark before it has bound', [mark(1), bound], 0],
    ['accepts what was never sent', [bound, { type: 'accepted', version: 5 }], 0],
    ['answers a mark without a request', [bound, mark(2)], 0],
    ['unbinds instead of binding', [{ type: 'unbound' }], 0],
    ['unbinds a session that did not ask for it', [bound, { type: 'unbound' }, page(3)], 0],
    ['sends a view to a realm that has none', [bound, view, page(3)], 0],
    ['sends members to a realm without a view', [bound, members, page(3)], 0],
    ['sends changes of a view to a realm without one', [bound, parts, page(3)], 0],
    ['sends a page again', [bound, page(5), page(5)], 1],
    ['sends a page that begins in the one before', [bound, page(5, 4, 5), page(9, 5, 9)], 1],
  ])('E14 W4 and %s: a fatal error, no wait emits, and nothing of the message is stored', (_, answers, pages) =>
    marbles((m) => {
      const realm = createTestRealm();
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', answering(...answers)]).dial,
        realm,
      });
      const codeOf = catchError((thrown: unknown) => of((thrown as { code: string }).code));
      m.expectObservable(lettersOf(session.syncState$), '9ms !').toBe('a-i');
      m.expectObservable(session.errors$.pipe(map(({ code }) => code)), '9ms !').toBe('--v', {
        v: 'protocol-violation',
      });
      m.expectObservable(session.downloadComplete$.pipe(codeOf)).toBe('--(v|)', { v: 'protocol-violation' });
      runAt(m, '---x', { x: () => expect(realm.pages).toHaveLength(pages) });
    })(),
  );

  it(
    'E2 and sends a session away without a wait is asked once more, and then once a second',
    marbles((m) => {
      const busy = answering({ type: 'error', code: 'internal', text: '', retry: { after: 0 } });
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['--w', busy]).dial });
      m.expectObservable(lettersOf(scene.session.connectionState$), '2100ms !').toBe('c-d(cd) 996ms (cd) 996ms (cd)');
      runAt(m, '2100ms x', { x: () => closeRealm(scene) });
    }),
  );
});

describe('an invalid dial', () => {
  it(
    'R1 and completes without a connection is unreachable, and is tried again',
    marbles((m) => {
      const scene = createTestSession(m, { dial: EMPTY, random: () => 0.1234 });
      expect(scene.session.status.connection).toEqual({
        ...{ state: 'disconnected', attempt: 1, retryAt: 970 }, // 969.15, rounded up to whole milliseconds.
        reason: { kind: 'unreachable', detail: 'the dial completed without a connection' },
      });
      runAt(m, '1ms x', { x: () => closeRealm(scene) });
    }),
  );
});
