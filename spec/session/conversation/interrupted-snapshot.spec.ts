import { NEVER, type Observable, of } from 'rxjs';
import type { ClientMessage, Fetch, ServerMessage } from '../../../lib/protocol/messages.js';
import { marbles } from '../../../lib/testing/marbles.js';
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
import { fetchesOf, typesOf, createSnapshotServer, wholeSnapshot } from '../paged-snapshot.js';
import { createTestRealm } from '../test-realm.js';

describe('a snapshot of which something comes in between', () => {
  it(
    'continues after a disconnect, when it is the same snapshot',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestRealm();
      const first = createEndingWire(m, '---x', createSnapshotServer(m, { received }));
      const calls = createScriptedDial(m, ['w', first], ['w', createSnapshotServer(m, { received })]);
      createTestSession(m, { dial: calls.dial, realm });
      runAt(m, '2s x', {
        x: () => {
          expect(fetchesOf(received)).toEqual(['first', 'a', 'a', 'b']);
          expect(realm.snapshots).toEqual([wholeSnapshot]);
        },
      });
    }),
  );

  it.each([
    ['another version', { snapshot: 7 }],
    ['another history', { history: 'other' }],
  ])('begins again after a disconnect, when it is of %s', (_, bound) => {
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestRealm();
      const first = createEndingWire(m, '---x', createSnapshotServer(m, { received }));
      createTestSession(m, {
        dial: createScriptedDial(m, ['w', first], ['w', createSnapshotServer(m, { received, bound })]).dial,
        realm,
      });
      runAt(m, '2s x', { x: () => expect(fetchesOf(received)).toEqual(['first', 'a', 'first', 'a', 'b']) });
    })();
  });

  it(
    'is suspended and binds again when the server has that snapshot no more',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const answerGone = (message: Fetch): Observable<ServerMessage> | undefined =>
        message.after?.key === 'a' && typesOf(received).filter((type) => type === 'bind').length === 1
          ? of<ServerMessage>({
              ...{ type: 'error', session: message.session, code: 'snapshot-gone', text: 'gone', retry: { after: 0 } },
            })
          : undefined;
      const realm = createTestRealm();
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['w', createSnapshotServer(m, { received, page: answerGone })]).dial,
        realm,
      });
      m.expectObservable(lettersOf(session.syncState$), '3s !').toBe('a');
      runAt(m, '3s x', { x: () => expect(realm.snapshots).toEqual([wholeSnapshot]) });
    }),
  );

  it(
    'continues after a pause, and begins again after a log-out',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestRealm();
      const calls = ['w', createSnapshotServer(m, { received })] as const;
      const opened = createTestSession(m, { dial: createScriptedDial(m, calls, calls, calls).dial, realm });
      runAt(m, '---p-r', { p: opened.session.pause, r: opened.session.resume });
      runAt(m, '--------o-i', {
        o: () => {
          expect(fetchesOf(received)).toEqual(['first', 'a', 'a', 'b']);
          logOut(opened);
        },
        i: () => opened.machine.dispatch({ type: 'input', input: 'logIn' }),
      });
      runAt(m, '19ms x', {
        x: () => {
          expect(fetchesOf(received)).toEqual(['first', 'a', 'a', 'b', 'first', 'a', 'b']);
          expect(realm.snapshots).toEqual([wholeSnapshot]);
        },
      });
    }),
  );

  it(
    'S17 continues with a new token',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestRealm();
      const expired = ({ session, after }: Fetch): Observable<ServerMessage> | undefined =>
        after?.key === 'a' && fetchesOf(received).length === 2
          ? of({ type: 'error', session, code: 'token-expired', text: 'expired', retry: 'later' } as const)
          : undefined;
      const tokens = ['old', 'new'];
      const accessToken = () => of(tokens.shift() ?? null);
      const { dial } = createScriptedDial(m, ['w', createSnapshotServer(m, { received, page: expired })]);
      createTestSession(m, { dial, realm, accessToken });
      runAt(m, '19ms x', {
        x: () => {
          const binds = received.flatMap((message) => (message.type === 'bind' ? [message.token] : []));
          expect(binds).toEqual(['old', 'new']);
          expect([fetchesOf(received), realm.snapshots]).toEqual([['first', 'a', 'a', 'b'], [wholeSnapshot]]);
        },
      });
    }),
  );

  it(
    'E6 continues after a client reset in its middle, as long as it is the same snapshot',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestRealm({ downloaded: 2, history: 'h' });
      const restored = ({ session, after }: Fetch): Observable<ServerMessage> | undefined =>
        after?.key === 'a' && fetchesOf(received).length === 2
          ? of({ type: 'error', session, code: 'history-changed', text: 'restored', retry: 'never' } as const)
          : undefined;
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['w', createSnapshotServer(m, { received, page: restored })]).dial,
        realm,
      });
      m.expectObservable(lettersOf(session.syncState$), '19ms !').toBe('a');
      runAt(m, '19ms x', {
        x: () => {
          const binds = received.flatMap((message) => (message.type === 'bind' ? [message.history ?? 'none'] : []));
          expect(binds).toEqual(['h', 'none']);
          expect(fetchesOf(received)).toEqual(['first', 'a', 'a', 'b']);
          expect(realm.snapshots).toEqual([wholeSnapshot]);
        },
      });
    }),
  );

  it(
    'keeps no page of one that is not wanted any more',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const first = createEndingWire(m, '---x', createSnapshotServer(m, { received }));
      const without = createEndingWire(m, '-----x', createSnapshotServer(m, { received, bound: { snapshot: null } }));
      const calls = createScriptedDial(m, ['w', first], ['w', without], ['w', createSnapshotServer(m, { received })]);
      createTestSession(m, { dial: calls.dial });
      runAt(m, '9s x', { x: () => expect(fetchesOf(received)).toEqual(['first', 'a', 'first', 'a', 'b']) });
    }),
  );

  it(
    'R2 does not reconnect in a tight loop when the server never has the snapshot that it offers',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const answerGone = ({ session }: Fetch): Observable<ServerMessage> =>
        of({ type: 'error', session, code: 'snapshot-gone', text: 'gone', retry: { after: 0 } } as const);
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['w', createSnapshotServer(m, { received, page: answerGone })]).dial,
        timeouts: { backoffFirst: 1_000 },
      });
      runAt(m, '9.5s x', {
        x: () => {
          expect(typesOf(received).filter((type) => type === 'bind').length).toBe(11); // The first at once, then one a second.
          session.pause();
        },
      });
    }),
  );

  it(
    'S14 is not waited for by a session that only uploads what is left',
    marbles((m) => {
      const realm = createTestRealm();
      const { dial } = createScriptedDial(m, [
        'w',
        createAnsweringServer({ bound: { head: 9, snapshot: 6 }, answers: slowly }),
      ]);
      function slowly(message: ClientMessage): Observable<ServerMessage> | undefined {
        if (message.type === 'fetch') return NEVER;
        if (message.type !== 'upload') return undefined;
        return m.cold('---a', { a: { type: 'accepted', session: message.session, version: 1 } });
      }
      const opened = createTestSession(m, { dial, realm });
      runAt(m, '-wc', { w: () => realm.write(), c: () => closeRealm(opened) });
      m.expectObservable(lettersOf(opened.session.syncState$)).toBe('a-y-(i|)');
    }),
  );
});
