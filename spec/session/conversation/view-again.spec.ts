import { of } from 'rxjs';
import type { ClientMessage, ServerMessage } from '../../../lib/protocol/messages.js';
import type { NextMembers } from '../../../lib/protocol/view-messages.js';
import { marbles } from '../../../lib/testing/marbles.js';
import { createObject } from '../paged-snapshot.js';
import { createViewServer, viewMessagesOf } from '../paged-view.js';
import { createScriptedDial, createTestSession, runAt } from '../test-kit.js';
import { createTestViewRealm } from '../test-view.js';

describe('a session that fetches members', () => {
  it(
    'begins again when a view comes instead of a page, also at the same version',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestViewRealm();
      realm.want(1, 7);
      let pages = 0;
      const page = (message: NextMembers) => {
        const fields = { number: 1, scope: null, mode: 'resync' as const, objects: 3, rejections: [], version: 9 };
        return (pages += 1) === 3
          ? of<ServerMessage>({ type: 'view', session: message.session, ...fields })
          : undefined;
      };
      const server = createViewServer(m, { received, page });
      createTestSession(m, { dial: createScriptedDial(m, ['w', server]).dial, realm });
      runAt(m, '---- 20ms x', {
        x: () => {
          expect(viewMessagesOf(received)).toEqual(['s1', 'n', 'n1', 'n2', 'n', 'n1', 'n2', 'r9']);
          expect(realm.members).toMatchObject([{ objects: ['a', 'c'].map(createObject) }]);
        },
      });
    }),
  );
});
