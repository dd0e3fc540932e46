import { NEVER, type Observable, of } from 'rxjs';
import type { ClientMessage, Fetch, ServerMessage } from '../../lib/protocol/messages.js';
import { marbles } from '../../lib/testing/marbles.js';
import { answering, at, close, drawn, living, logOut, phone, testSession } from './kit.js';
import { fetches, said, server, whole } from './paged.js';
import { testRealm } from './testrealm.js';

describe('a snapshot of which something comes in between', () => {
  it(
    'goes on where it was after a drop, when it is the same snapshot',
    marbles((m) => {
      const heard: ClientMessage[] = [];
      const realm = testRealm();
      const first = living(m, '---x', server(m, { heard }));
      const calls = phone(m, ['w', first], ['w', server(m, { heard })]);
      testSession(m, { dial: calls.dial, realm });
      at(m, '2s x', {
        x: () => {
          expect(fetches(heard)).toEqual(['first', 'a', 'a', 'b']);
          expect(realm.snapshots).toEqual([whole]);
        },
      });
    }),
  );

  it.each([
    ['another version', { snapshot: 7 }],
    ['another history', { history: 'other' }],
  ])('begins again after a drop, when it is of %s', (_, bound) => {
    marbles((m) => {
      const heard: ClientMessage[] = [];
      const realm = testRealm();
      const first = living(m, '---x', server(m, { heard }));
      testSession(m, { dial: phone(m, ['w', first], ['w', server(m, { heard, bound })]).dial, realm });
      at(m, '2s x', { x: () => expect(fetches(heard)).toEqual(['first', 'a', 'first', 'a', 'b']) });
    })();
  });

  it(
    'is suspended and binds again when the server has that snapshot no more',
    marbles((m) => {
      const heard: ClientMessage[] = [];
      const gone = (message: Fetch): Observable<ServerMessage> | undefined =>
        message.after?.key === 'a' && said(heard).filter((type) => type === 'bind').length === 1
          ? of<ServerMessage>({
              ...{ type: 'error', session: message.session, code: 'snapshot-gone', text: 'gone', retry: { after: 0 } },
            })
          : undefined;
      const realm = testRealm();
      const { session } = testSession(m, { dial: phone(m, ['w', server(m, { heard, page: gone })]).dial, realm });
      m.expectObservable(drawn(session.syncState$), '3s !').toBe('a');
      at(m, '3s x', { x: () => expect(realm.snapshots).toEqual([whole]) });
    }),
  );

  it(
    'goes on where it was after a pause, and begins again after a log-out',
    marbles((m) => {
      const heard: ClientMessage[] = [];
      const realm = testRealm();
      const calls = ['w', server(m, { heard })] as const;
      const opened = testSession(m, { dial: phone(m, calls, calls, calls).dial, realm });
      at(m, '---p-r', { p: opened.session.pause, r: opened.session.resume });
      at(m, '--------o-i', {
        o: () => {
          expect(fetches(heard)).toEqual(['first', 'a', 'a', 'b']);
          logOut(opened);
        },
        i: () => opened.machine.dispatch({ type: 'input', input: 'logIn' }),
      });
      at(m, '19ms x', {
        x: () => {
          expect(fetches(heard)).toEqual(['first', 'a', 'a', 'b', 'first', 'a', 'b']);
          expect(realm.snapshots).toEqual([whole]);
        },
      });
    }),
  );

  it(
    'S17 goes on where it was with a fresh token',
    marbles((m) => {
      const heard: ClientMessage[] = [];
      const realm = testRealm();
      const expired = ({ session, after }: Fetch): Observable<ServerMessage> | undefined =>
        after?.key === 'a' && fetches(heard).length === 2
          ? of({ type: 'error', session, code: 'token-expired', text: 'expired', retry: 'later' } as const)
          : undefined;
      const tokens = ['old', 'new'];
      const accessToken = () => of(tokens.shift() ?? null);
      const { dial } = phone(m, ['w', server(m, { heard, page: expired })]);
      testSession(m, { dial, realm, accessToken });
      at(m, '19ms x', {
        x: () => {
          const binds = heard.flatMap((message) => (message.type === 'bind' ? [message.token] : []));
          expect(binds).toEqual(['old', 'new']);
          expect([fetches(heard), realm.snapshots]).toEqual([['first', 'a', 'a', 'b'], [whole]]);
        },
      });
    }),
  );

  it(
    'E6 goes on where it was when the realm starts over in its middle, as long as it is the same snapshot',
    marbles((m) => {
      const heard: ClientMessage[] = [];
      const realm = testRealm({ seen: 2, history: 'h' });
      const restored = ({ session, after }: Fetch): Observable<ServerMessage> | undefined =>
        after?.key === 'a' && fetches(heard).length === 2
          ? of({ type: 'error', session, code: 'history-changed', text: 'restored', retry: 'never' } as const)
          : undefined;
      const { session } = testSession(m, { dial: phone(m, ['w', server(m, { heard, page: restored })]).dial, realm });
      m.expectObservable(drawn(session.syncState$), '19ms !').toBe('a');
      at(m, '19ms x', {
        x: () => {
          const binds = heard.flatMap((message) => (message.type === 'bind' ? [message.history ?? 'none'] : []));
          expect(binds).toEqual(['h', 'none']);
          expect(fetches(heard)).toEqual(['first', 'a', 'a', 'b']);
          expect(realm.snapshots).toEqual([whole]);
        },
      });
    }),
  );

  it(
    'keeps no page of one that is not wanted any more',
    marbles((m) => {
      const heard: ClientMessage[] = [];
      const first = living(m, '---x', server(m, { heard }));
      const without = living(m, '-----x', server(m, { heard, bound: { snapshot: null } }));
      const calls = phone(m, ['w', first], ['w', without], ['w', server(m, { heard })]);
      testSession(m, { dial: calls.dial });
      at(m, '9s x', { x: () => expect(fetches(heard)).toEqual(['first', 'a', 'first', 'a', 'b']) });
    }),
  );

  it(
    'R2 does not call in a circle when the server never has what it offers',
    marbles((m) => {
      const heard: ClientMessage[] = [];
      const gone = ({ session }: Fetch): Observable<ServerMessage> =>
        of({ type: 'error', session, code: 'snapshot-gone', text: 'gone', retry: { after: 0 } } as const);
      const { session } = testSession(m, {
        dial: phone(m, ['w', server(m, { heard, page: gone })]).dial,
        timeouts: { backoffFirst: 1_000 },
      });
      at(m, '9.5s x', {
        x: () => {
          expect(said(heard).filter((type) => type === 'bind').length).toBe(11); // Once at once, then one a second.
          session.pause();
        },
      });
    }),
  );

  it(
    'S14 is not waited for by a session that only uploads what is left',
    marbles((m) => {
      const realm = testRealm();
      const { dial } = phone(m, ['w', answering({ bound: { head: 9, snapshot: 6 }, answers: slowly })]);
      function slowly(message: ClientMessage): Observable<ServerMessage> | undefined {
        if (message.type === 'fetch') return NEVER;
        if (message.type !== 'upload') return undefined;
        return m.cold('---a', { a: { type: 'accepted', session: message.session, version: 1 } });
      }
      const opened = testSession(m, { dial, realm });
      at(m, '-wc', { w: () => realm.write(), c: () => close(opened) });
      m.expectObservable(drawn(opened.session.syncState$)).toBe('a-y-(i|)');
    }),
  );
});
