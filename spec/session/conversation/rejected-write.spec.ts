import { map } from 'rxjs';
import { CompensatingWriteError, type SyncError } from '../../../lib/model/errors.js';
import type { RejectedChangeset } from '../../../lib/model/changeset.js';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import { marbles, type MarbleHelpers } from '../../../lib/testing/marbles.js';
import {
  createAnsweringServer,
  runAt,
  lettersOf,
  createEndingWire,
  createScriptedDial,
  createTestSession,
} from '../test-kit.js';
import { type TestRealm, createTestRealm } from '../test-realm.js';

const writes = [{ type: 'Task', key: 'milk', reason: 'too dear' }];
const serverStates = [{ type: 'Task', key: 'milk', state: null }];
const createRejection = (session: number, version: number): ServerMessage => ({
  type: 'refused',
  session,
  version,
  writes,
  code: 'not-permitted',
  serverStates,
});

/** Creates a server that rejects the first write of each page after 3 ms, and accepts the others. */
const strict = (m: MarbleHelpers) =>
  createAnsweringServer({
    answers: (message) => {
      if (message.type !== 'upload') return undefined;
      const { session, changesets } = message;
      const last = changesets.at(-1)!.version;
      return changesets[0]!.version === 1
        ? m.cold('---ra', {
            r: createRejection(session, 1),
            a: { type: 'accepted', session, version: last } as ServerMessage,
          })
        : undefined;
    },
  });

/** Creates a realm that records its rollbacks, each of which takes this long. */
const noting = (m: MarbleHelpers, takes = '|') => {
  const realm = createTestRealm();
  const taken: RejectedChangeset[] = [];
  const slowly: TestRealm = {
    ...realm,
    rollBack: (...rejections) => {
      taken.push(...rejections);
      return m.cold<never>(takes);
    },
  };
  return { realm, slowly, taken };
};

describe('a rejected write', () => {
  it(
    'E9 is taken back first, and listed then, with type, key and reason; nothing stops',
    marbles((m) => {
      const { slowly, taken } = noting(m, '----|');
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', strict(m)]).dial, realm: slowly });
      runAt(m, '-w', { w: () => slowly.write() });
      // Uploaded at 2, rejected at 5, rolled back at 9.
      m.expectObservable(session.errors$, '19ms !').toBe('---------e', { e: new CompensatingWriteError(1, writes) });
      m.expectObservable(lettersOf(session.connectionState$), '19ms !').toBe('c-C');
      m.expectObservable(lettersOf(session.syncState$), '19ms !').toBe('a');
      runAt(m, '------x', {
        x: () => expect(taken).toEqual([{ version: 1, writes, code: 'not-permitted', serverStates }]),
      });
    }),
  );

  it(
    'E9 is shown as rejected by written$, and the others of its page are accepted',
    marbles((m) => {
      const { session, realm } = createTestSession(m, { dial: createScriptedDial(m, ['--w', strict(m)]).dial });
      runAt(m, '-(ww)', { w: () => realm.write() });
      const states = (version: number) => session.written$(version).pipe(map(({ state }) => state));
      const letters = { v: 'saved', s: 'sent', a: 'accepted', r: 'rejected' };
      m.expectObservable(states(1), '-^').toBe('-vs--(r|)', letters);
      m.expectObservable(states(2), '-^').toBe('-vs---(a|)', letters);
    }),
  );

  it(
    'E9 is listed once when the server repeats the rejection, on the same connection and after a reconnect',
    marbles((m) => {
      const again = createAnsweringServer({
        answers: (message) => {
          if (message.type !== 'upload') return undefined;
          const { session } = message;
          return m.cold('-rr', { r: createRejection(session, 1) });
        },
      });
      const realm = createTestRealm();
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['-w', createEndingWire(m, '------x', again)], ['-w', again]).dial,
        realm,
      });
      runAt(m, 'w', { w: () => realm.write() });
      const errors: SyncError[] = [];
      session.errors$.subscribe((error) => errors.push(error));
      runAt(m, '2s x', {
        x: () => {
          expect(errors).toEqual([new CompensatingWriteError(1, writes)]);
          expect(session.connectionState).toBe('connected');
        },
      });
    }),
  );

  it(
    'E14 that was never sent breaks the protocol',
    marbles((m) => {
      const wrong = createAnsweringServer({
        answers: (message) =>
          message.type === 'mark' ? m.cold('r', { r: createRejection(message.session, 7) }) : undefined,
      });
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', wrong]).dial });
      runAt(m, '-----d', { d: () => session.downloadComplete$.subscribe({ error: () => undefined }) });
      const shown = expect.objectContaining({ code: 'protocol-violation' }) as unknown;
      m.expectObservable(session.errors$, '19ms !').toBe('-----e', { e: shown });
    }),
  );
});
