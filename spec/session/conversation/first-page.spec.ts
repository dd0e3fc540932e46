import { EMPTY, merge, mergeMap } from 'rxjs';
import type { ClientMessage, ServerMessage } from '../../../lib/protocol/messages.js';
import { marbles } from '../../../lib/testing/marbles.js';
import { createObject } from '../paged-snapshot.js';
import { createViewServer, type ViewScript, viewMessagesOf } from '../paged-view.js';
import { createEndingWire, createScriptedDial, createTestSession, runAt, type TestWire } from '../test-kit.js';
import { createTestViewRealm, createWantedView } from '../test-view.js';

const placedView = (number: number, ...ids: readonly number[]) => ({
  ...{ number, scope: null },
  filters: createWantedView(number, ...ids).filters,
});
const continued = { head: 9, headBytes: 900, view: { mode: 'continue', scope: null } } as const;

describe('a session that asks for a view', () => {
  it(
    'requests the first page with a new view, and not with one that the server may have announced already',
    marbles((m) => {
      const sentTo = (
        realm: ReturnType<typeof createTestViewRealm>,
        bound: ViewScript['bound'] & object,
      ): ClientMessage[] => {
        const received: ClientMessage[] = [];
        const server = createViewServer(m, { received, bound, view: () => null });
        createTestSession(m, { dial: createScriptedDial(m, ['w', server]).dial, realm });
        return received;
      };
      const first = createTestViewRealm();
      first.want(1, 7);
      const next = createTestViewRealm(placedView(1, 7), { downloaded: 9, history: 'h' });
      next.want(2, 8);
      const same = createTestViewRealm(placedView(1, 7), { downloaded: 9, history: 'h' });
      same.want(1, 7, 8);
      const all = [sentTo(first, {}), sentTo(next, continued), sentTo(same, continued)];
      runAt(m, '--x', { x: () => expect(all.map(viewMessagesOf)).toEqual([['s1', 'n'], ['s2', 'n'], ['s1']]) });
    }),
  );

  it(
    'requests no page with a view of which it has kept some',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestViewRealm();
      realm.want(1, 7);
      const first = createEndingWire(m, '---x', createViewServer(m));
      const second = createViewServer(m, { received, view: () => null });
      const { dial } = createScriptedDial(m, ['w', first], ['w', second]);
      createTestSession(m, { dial, realm, timeouts: {} });
      runAt(m, '---- 5000ms x', { x: () => expect(viewMessagesOf(received)).toEqual(['s1']) });
    }),
  );

  it(
    'places a view that was announced before the server knew of a later one, if its first page is the last',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestViewRealm();
      realm.want(1, 7);
      const view = (number: number, mode: 'difference' | 'resync'): ServerMessage => ({
        ...{ type: 'view', session: 1, number, version: 9, scope: null, mode, objects: 0, rejections: [] },
      });
      const members: ServerMessage = {
        ...{ type: 'members', session: 1, number: 1, objects: [createObject('a')], leaves: [] },
        ...{ position: null, upTo: 9, remaining: 0, bytes: 900 },
      };
      const server = createViewServer(m, { received, view: () => null, page: () => EMPTY });
      const late$ = m.cold('---v').pipe(mergeMap(() => [view(1, 'resync'), members, view(2, 'difference')]));
      const wire: TestWire = (sent$) => merge(server(sent$), late$);
      createTestSession(m, { dial: createScriptedDial(m, ['w', wire]).dial, realm });
      runAt(m, '-a--x', {
        a: () => realm.want(2, 8),
        x: () => {
          expect(realm.members).toMatchObject([{ placed: placedView(1, 7), objects: [createObject('a')] }]);
          // Only one first page is requested before its view.
          expect(viewMessagesOf(received)).toEqual(['s1', 'n', 's2', 'r9', 'n']);
        },
      });
    }),
  );
});
