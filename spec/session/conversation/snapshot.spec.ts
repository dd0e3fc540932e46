import { distinctUntilChanged, map, NEVER, of, throwError } from 'rxjs';
import { StorageError, UnreadableChangeError } from '../../../lib/model/errors.js';
import type { ClientMessage, Fetch, ServerMessage } from '../../../lib/protocol/messages.js';
import { marbles } from '../../../lib/testing/marbles.js';
import { createAnsweringServer, runAt, createScriptedDial, createTestSession } from '../test-kit.js';
import {
  failuresOf,
  fetchesOf,
  type SnapshotScript,
  createObject,
  createPageFor,
  typesOf,
  createSnapshotServer,
  wholeSnapshot,
} from '../paged-snapshot.js';
import { createTestRealm } from '../test-realm.js';
import { boundFields } from '../../protocol/bound-fields.js';

describe('a session that begins with a snapshot', () => {
  it(
    'fetches it page by page, one at a time, applies it as a whole, and continues with the changesets after it',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = createTestRealm();
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['w', createSnapshotServer(m, { received })]).dial,
        realm,
      });
      const downloaded$ = session.status$.pipe(map(({ downloaded }) => downloaded));
      m.expectObservable(downloaded$.pipe(map(({ version, behind }) => `${version} ${behind}`)), '------^ 9ms !').toBe(
        '------(abc)',
        {
          a: '0 9',
          b: '6 3',
          c: '9 0',
        },
      );
      // Pages at 2, 4 and 6.
      runAt(m, '-x---y-z', {
        x: () => expect(fetchesOf(received)).toEqual(['first']),
        y: () => expect([fetchesOf(received), realm.snapshots]).toEqual([['first', 'a', 'b'], []]),
        z: () => {
          expect(realm.snapshots).toEqual([wholeSnapshot]);
          expect(typesOf(received)).toEqual(['bind', 'fetch', 'fetch', 'fetch', 'received']);
          expect(realm.pages).toMatchObject([{ upTo: 9, remaining: 0 }]);
        },
      });
    }),
  );

  it(
    'P3 P7 shows how far it is, and that never decreases',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['w', createSnapshotServer(m)]).dial });
      const bytes$ = session
        .progress$({ direction: 'download', mode: 'reportIndefinitely' })
        .pipe(map(({ transferredBytes, transferableBytes }) => `${transferredBytes} of ${transferableBytes}`));
      m.expectObservable(bytes$, '19ms !').toBe('s-a-b-(cd)', {
        s: '0 of 900',
        a: '100 of 900',
        b: '200 of 900',
        c: '300 of 900',
        d: '900 of 900',
      });
    }),
  );

  it(
    'W3 answers a wait for downloads when that is behind the snapshot, and uploads meanwhile',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const { session, realm } = createTestSession(m, {
        dial: createScriptedDial(m, ['w', createSnapshotServer(m, { received })]).dial,
      });
      runAt(m, '-w', { w: () => realm.write() });
      m.expectObservable(session.uploadComplete$.pipe(map(() => 'u')), '--^').toBe('--(u|)');
      runAt(m, '---x', { x: () => expect(typesOf(received)).toEqual(['bind', 'fetch', 'upload', 'fetch']) });
    }),
  );

  it(
    'E10 reports one that cannot be read to both sides, and applies nothing',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = {
        ...createTestRealm(),
        replace: () => throwError(() => new UnreadableChangeError(6, 'Task[b] is corrupt')),
      };
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['w', createSnapshotServer(m, { received })]).dial,
        realm,
      });
      m.expectObservable(session.errors$.pipe(map(({ code }) => code)), '19ms !').toBe('------e', {
        e: 'unreadable-change',
      });
      runAt(m, '-------x', {
        x: () => expect(received.find(({ type }) => type === 'fault')).toMatchObject({ version: 6 }),
      });
    }),
  );

  it(
    'D11 ends when it cannot be stored, without a report to the server',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const realm = { ...createTestRealm(), replace: () => throwError(() => new StorageError('disk full')) };
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['w', createSnapshotServer(m, { received })]).dial,
        realm,
      });
      m.expectObservable(failuresOf(session), '19ms !').toBe('------e', { e: 'storage: disk full' });
      runAt(m, '-------x', { x: () => expect(typesOf(received)).not.toContain('received') });
    }),
  );

  it(
    'is not stalled as long as pages come, and is when none comes',
    marbles((m) => {
      const slow = (message: Fetch) =>
        message.after?.key === 'b' ? NEVER : m.cold('20ms p', { p: createPageFor(message) });
      const dial = createScriptedDial(m, ['w', createSnapshotServer(m, { page: slow })]).dial;
      const { session } = createTestSession(m, { dial, timeouts: { stall: 30 } });
      const stalled$ = session.status$.pipe(
        map(({ stalledSince }) => stalledSince ?? '-'),
        distinctUntilChanged(),
      );
      m.expectObservable(stalled$, '60ms ^ 15ms !').toBe('60ms a 9ms b', { a: '-', b: 40 });
    }),
  );
});

type Case = readonly [what: string, given: SnapshotScript, error: string];

describe('an invalid snapshot', () => {
  const page = (more: object) => (message: Fetch) => of(createPageFor(message, more));
  it.each<Case>([
    [
      'is behind the downloaded version',
      { bound: { snapshot: 3 } },
      'bound with a snapshot of 3, but this realm has 4 of 9',
    ],
    ['is ahead of the history', { bound: { snapshot: 10 } }, 'bound with a snapshot of 10, but this realm has 4 of 9'],
    ['is of another version', { page: page({ version: 5 }) }, 'a snapshot of 5 without a request'],
    [
      'brings an object twice',
      { page: page({ objects: [createObject('a'), createObject('a')] }) },
      'an invalid snapshot: Task[a] was sent before',
    ],
    [
      'has more left than before',
      {
        page: ({ session, version, after, type }) =>
          of(createPageFor({ session, version, after, type }, after ? { remaining: 5 } : {})),
      },
      'an invalid snapshot: 6 objects are left, but 2 were expected',
    ],
    [
      'goes back',
      { page: (message) => of(createPageFor(message, message.after ? { bytes: 50 } : {})) },
      'an invalid snapshot: it is at 50 bytes, but the last page was at 100',
    ],
    [
      'comes before its page',
      {
        page: ({ session }) =>
          of<ServerMessage>({
            ...{ type: 'download', session, changesets: [], upTo: 9, remaining: 0, bytes: 900, remainingBytes: 0 },
          }),
      },
      'a download before the snapshot of 6',
    ],
  ])('E14 %s: it ends the session', (_, given, error) => {
    marbles((m) => {
      const realm = createTestRealm({ downloaded: 4, history: 'h' });
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['-w', createSnapshotServer(m, given)]).dial,
        realm,
      });
      m.expectObservable(failuresOf(session), '19ms !').toBe('-e', {
        e: `protocol-violation: The server sent ${error}.`,
      });
      runAt(m, '---x', { x: () => expect(realm.snapshots).toEqual([]) });
    })();
  });

  it(
    'E14 was not asked for: it ends the session',
    marbles((m) => {
      const wire = createAnsweringServer({
        answers: (message) =>
          message.type === 'bind'
            ? m.cold<ServerMessage>('(bs)', {
                b: {
                  ...{ type: 'bound', session: message.session, history: 'h', head: 9, headBytes: 900, accepted: 0 },
                  ...{ serverTime: 0, frameBytesMax: 1e6, ...boundFields, snapshot: null },
                },
                s: createPageFor({ type: 'fetch', session: message.session, version: 6, after: null }),
              })
            : undefined,
      });
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['w', wire]).dial });
      m.expectObservable(failuresOf(session), '9ms !').toBe('e', {
        e: 'protocol-violation: The server sent a snapshot of 6 without a request.',
      });
    }),
  );
});
