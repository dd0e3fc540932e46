import { map } from 'rxjs';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import { marbles } from '../../../lib/testing/marbles.js';
import { failuresOf } from '../paged-snapshot.js';
import { createMembersPage, createViewServer, sendAll } from '../paged-view.js';
import { createAnsweringServer, createScriptedDial, createTestSession } from '../test-kit.js';
import { createTestRealm } from '../test-realm.js';
import { createTestViewRealm } from '../test-view.js';

describe('a server that breaks the rules of views', () => {
  const session = 1;
  const parts = (fields: object): ServerMessage => ({
    ...{ type: 'parts', session, changesets: [], states: [], leaves: [], upTo: 9, remaining: 0 },
    ...{ bytes: 900, remainingBytes: 0, ...fields },
  });
  const next = { type: 'next', session, number: 1, position: null } as const;

  it.each<[string, string, readonly ServerMessage[]]>([
    ['a download', 'a download for a realm that has a view', [download()]],
    ['members that were not requested', 'members of the view 2 without a request', [page({ number: 2 })]],
    ['a view that was not asked for', 'the view 5 (resync), which was not asked for', [viewMessage({ number: 5 })]],
    ['parts before the members', 'parts before the members of the view', [parts({})]],
    [
      'a page that ends where the last one ended',
      'invalid members',
      [page({ position: '1' }), page({ position: '1' })],
    ],
  ])('ends with a protocol violation for %s', (_, text, messages) =>
    marbles((m) => {
      const realm = createTestViewRealm();
      realm.want(1, 7);
      const server = createViewServer(m, { page: () => sendAll(...messages) });
      const opened = createTestSession(m, { dial: createScriptedDial(m, ['-w', server]).dial, realm });
      const errors$ = opened.session.errors$.pipe(map(({ code, message }) => [code, message.includes(text)]));
      m.expectObservable(errors$, '19ms !').toBe('-e', { e: ['protocol-violation', true] });
    })(),
  );

  it.each(['view', 'members', 'parts'] as const)('rejects %s in a realm without a view', (type) =>
    marbles((m) => {
      const message = { view: viewMessage({}), members: page({}), parts: parts({}) }[type];
      const server = createAnsweringServer({
        answers: (sent) => (sent.type === 'mark' ? sendAll(message) : undefined),
      });
      const opened = createTestSession(m, {
        dial: createScriptedDial(m, ['-w', server]).dial,
        realm: createTestRealm(),
      });
      opened.session.downloadComplete$.subscribe({ error: () => undefined });
      m.expectObservable(failuresOf(opened.session), '19ms !').toBe('-e', {
        e: `protocol-violation: The server sent ${type} in a session without a view.`,
      });
    })(),
  );

  function download(): ServerMessage {
    return { type: 'download', session, changesets: [], upTo: 9, remaining: 0, bytes: 900, remainingBytes: 0 };
  }
  function page(fields: object): ServerMessage {
    return { ...createMembersPage(next), ...fields };
  }
  function viewMessage(fields: object): ServerMessage {
    const usual = { type: 'view', session, number: 1, version: 9, scope: null, mode: 'resync', objects: 3 };
    return { ...usual, rejections: [], ...fields } as ServerMessage;
  }
});
