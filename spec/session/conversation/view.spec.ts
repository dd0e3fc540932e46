import { map, merge, of, Subject, throwError } from 'rxjs';
import { StorageError } from '../../../lib/model/errors.js';
import type { ClientMessage, ServerMessage } from '../../../lib/protocol/messages.js';
import { noView } from '../../../lib/model/view.js';
import { marbles } from '../../../lib/testing/marbles.js';
import { createObject, failuresOf } from '../paged-snapshot.js';
import { createViewServer, viewMessagesOf } from '../paged-view.js';
import {
  createAnsweringServer,
  createEndingWire,
  createScriptedDial,
  createTestSession,
  runAt,
  type TestWire,
} from '../test-kit.js';
import { createTestViewRealm, createWantedView } from '../test-view.js';

const placedView = (number: number, ...ids: readonly number[]) => ({
  ...{ number, scope: null },
  filters: createWantedView(number, ...ids).filters,
});
const continued = { head: 9, headBytes: 900, view: { mode: 'continue', scope: null } } as const;

describe('a session of a realm with subscriptions', () => {
  const parts = (fields: object): ServerMessage => ({
    ...{ type: 'parts', session: 1, changesets: [], states: [], leaves: [], upTo: 9, remaining: 0 },
    ...{ bytes: 900, remainingBytes: 0, ...fields },
  });

  it(
    'asks for the view, fetches its members page by page, places them as a whole, and confirms them',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestViewRealm();
      realm.want(1, 7);
      createTestSession(m, { dial: createScriptedDial(m, ['w', createViewServer(m, { received })]).dial, realm });
      // Pages at 2, 4 and 6.
      runAt(m, '-x---y-z', {
        x: () => {
          expect(viewMessagesOf(received)).toEqual(['s1', 'n']);
          expect(received[0]).toMatchObject({ type: 'bind', view: noView });
          expect(realm.answers).toEqual([{ number: 1, objects: 3, rejections: [] }]);
        },
        y: () => expect([viewMessagesOf(received), realm.members]).toEqual([['s1', 'n', 'n1', 'n2'], []]),
        z: () => {
          expect(viewMessagesOf(received)).toEqual(['s1', 'n', 'n1', 'n2', 'r9']);
          expect(realm.members).toEqual([
            {
              ...{ placed: placedView(1, 7), mode: 'resync', upTo: 9, bytes: 300, remainingBytes: 600 },
              objects: ['a', 'c'].map(createObject), // The last page says that b is not in the view.
              leaves: [{ type: 'Task', key: 'b' }],
            },
          ]);
        },
      });
    }),
  );

  it(
    'places the empty view of an empty realm, and confirms nothing',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestViewRealm();
      realm.want(1, 7);
      const empty = { objects: [], leaves: [], position: null, upTo: 0, remaining: 0, bytes: 0 };
      const server = createViewServer(m, {
        received,
        bound: { head: 0, headBytes: 0 },
        view: () => ({ version: 0, objects: 0 }),
        page: ({ session, number }) => of<ServerMessage>({ type: 'members', session, number, ...empty }),
      });
      createTestSession(m, { dial: createScriptedDial(m, ['w', server]).dial, realm });
      runAt(m, '-x', {
        x: () => expect([viewMessagesOf(received), realm.members.length]).toEqual([['s1', 'n'], 1]),
      });
    }),
  );

  it(
    'P3 P7 shows how far the members are, as it does for a snapshot',
    marbles((m) => {
      const realm = createTestViewRealm();
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['w', createViewServer(m)]).dial,
        realm,
      });
      const bytes$ = session
        .progress$({ direction: 'download', mode: 'reportIndefinitely' })
        .pipe(map(({ transferredBytes, transferableBytes }) => `${transferredBytes} of ${transferableBytes}`));
      m.expectObservable(bytes$, '19ms !').toBe('s-a-b-c', {
        s: '0 of 900',
        a: '100 of 900',
        b: '200 of 900',
        c: '300 of 900',
      });
    }),
  );

  it(
    'asks for nothing when the view that the app wants is placed already, and follows its changes',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestViewRealm(placedView(1, 7), { downloaded: 5, history: 'h' });
      realm.want(1, 7);
      const states = [createObject('a')];
      const leaves = [{ type: 'Task', key: 'b' }];
      const server = createViewServer(m, { received, bound: continued });
      const wire: TestWire = (sent$) => merge(server(sent$), m.cold('--p', { p: parts({ states, leaves }) }));
      createTestSession(m, { dial: createScriptedDial(m, ['w', wire]).dial, realm });
      runAt(m, '---- 5000ms x', {
        x: () => {
          expect(viewMessagesOf(received)).toEqual(['r9']);
          expect(realm.parts).toEqual([{ changesets: [], states, leaves, upTo: 9, bytes: 900, remainingBytes: 0 }]);
        },
      });
    }),
  );

  it(
    'binds as without a view when its filters are larger than a bind can be, so that the whole view comes again',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const filter = ['in', 'n', ...Array.from({ length: 900 }, (_, at) => at)];
      const view = { number: 1, scope: null, filters: [{ id: 7, type: 'T', filter }] };
      const realm = createTestViewRealm(view, { downloaded: 9, history: 'h' });
      realm.want(1, 7);
      createTestSession(m, { dial: createScriptedDial(m, ['w', createViewServer(m, { received })]).dial, realm });
      runAt(m, '-x', {
        x: () => {
          expect(received[0]).toMatchObject({ type: 'bind', view: noView });
          expect(viewMessagesOf(received)).toEqual(['s1', 'n']);
        },
      });
    }),
  );

  it(
    'asks again for subscriptions that were rejected, because the server may have changed',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestViewRealm(placedView(1, 7), { downloaded: 9, history: 'h' });
      realm.want(1, 7, 8);
      const rejections = [{ id: 8, code: 'too-many-properties', text: 'No.' }];
      const server = createViewServer(m, {
        received,
        bound: continued,
        view: () => ({ mode: 'difference', rejections }),
      });
      createTestSession(m, { dial: createScriptedDial(m, ['w', server]).dial, realm });
      runAt(m, '-------x', {
        x: () => {
          expect(realm.answers).toEqual([{ number: 1, objects: 3, rejections }]);
          expect(realm.members).toMatchObject([{ placed: placedView(1, 7), mode: 'difference' }]);
        },
      });
    }),
  );

  it(
    'asks for a newer view at once when it needs nothing of what arrives, and else when that is placed',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestViewRealm();
      realm.want(1, 7);
      createTestSession(m, { dial: createScriptedDial(m, ['w', createViewServer(m, { received })]).dial, realm });
      runAt(m, '-a-b- 10ms c', {
        a: () => {
          realm.want(2, 7, 8);
          expect(viewMessagesOf(received)).toEqual(['s1', 'n']);
        },
        b: () => {
          realm.want(3, 9);
          expect(viewMessagesOf(received)).toEqual(['s1', 'n', 'n1', 's3', 'n']);
        },
        c: () => {
          // A page of view 1 came after view 3 was asked for, and was ignored.
          expect(viewMessagesOf(received)).toEqual(['s1', 'n', 'n1', 's3', 'n', 'n1', 'n2', 'r9']);
          expect(realm.members).toMatchObject([{ placed: placedView(3, 9) }]);
        },
      });
    }),
  );

  it(
    'asks for the view that waits as soon as what arrives is placed',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestViewRealm();
      realm.want(1, 7);
      createTestSession(m, { dial: createScriptedDial(m, ['w', createViewServer(m, { received })]).dial, realm });
      runAt(m, '-a-----b', {
        a: () => realm.want(2, 7, 8),
        b: () => expect(viewMessagesOf(received)).toEqual(['s1', 'n', 'n1', 'n2', 'r9', 's2', 'n']),
      });
    }),
  );

  it(
    'V14 invariant 18: requests a mark only after the view of that moment was asked for',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const stored = new Subject<never>();
      const realm = createTestViewRealm(noView, { edited$: stored });
      realm.want(1, 7);
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['w', createViewServer(m, { received })]).dial,
        realm,
      });
      runAt(m, '----------wx---y', {
        w: () => session.downloadComplete$.subscribe(),
        x: () => expect(viewMessagesOf(received).at(-1)).toBe('r9'), // The app's change of the set is not stored yet.
        y: () => {
          realm.want(2, 8);
          stored.complete();
          expect(viewMessagesOf(received).slice(-3)).toEqual(['s2', 'n', 'm1']);
        },
      });
    }),
  );

  it(
    'goes on after a disconnect where the pages have ended, if the server still has the same members',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestViewRealm();
      realm.want(1, 7);
      const first = createEndingWire(m, '---x', createViewServer(m, { received }));
      const { dial } = createScriptedDial(m, ['w', first], ['w', createViewServer(m, { received })]);
      createTestSession(m, { dial, realm, timeouts: {} });
      runAt(m, '---- 5000ms x', {
        x: () => {
          expect(realm.disconnects).toEqual([true]);
          expect(viewMessagesOf(received)).toEqual(['s1', 'n', 'n1', 's1', 'n1', 'n2', 'r9']);
          expect(realm.members[0]?.objects).toEqual(['a', 'c'].map(createObject));
        },
      });
    }),
  );

  it(
    'fetches everything again after a disconnect, if the server begins with a later version',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestViewRealm();
      realm.want(1, 7);
      const later = createViewServer(m, { received, view: () => ({ version: 12 }) });
      const { dial } = createScriptedDial(
        m,
        ['w', createEndingWire(m, '---x', createViewServer(m, { received }))],
        ['w', later],
      );
      createTestSession(m, { dial, realm });
      runAt(m, '---- 5000ms x', {
        x: () => expect(viewMessagesOf(received)).toEqual(['s1', 'n', 'n1', 's1', 'n', 'n1', 'n2', 'r9']),
      });
    }),
  );

  it(
    'V12 edge case 35: ends with an error when the server does not know subscriptions, and uploads nothing',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestViewRealm();
      realm.write();
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['-w', createAnsweringServer({ received })]).dial,
        realm,
      });
      m.expectObservable(failuresOf(session), '19ms !').toBe('-e', {
        e: 'no-subscriptions: The server does not know subscriptions, and would send the whole realm.',
      });
      runAt(m, '--x', {
        x: () => {
          expect(received.map(({ type }) => type)).not.toContain('upload');
          expect(realm.present().changesets).toBe(1);
        },
      });
    }),
  );

  it(
    'D11 ends when the members cannot be stored, and confirms nothing',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const given = createTestViewRealm();
      given.want(1, 7);
      const view = { ...given.view, place: () => throwError(() => new StorageError('disk full')) };
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['w', createViewServer(m, { received })]).dial,
        realm: { ...given, view },
      });
      m.expectObservable(failuresOf(session), '19ms !').toBe('------e', { e: 'storage: disk full' });
      runAt(m, '-------x', { x: () => expect(viewMessagesOf(received)).not.toContain('r9') });
    }),
  );
});
