import { map } from 'rxjs';
import { CompensatingWriteError, type SyncError } from '../../lib/model/errors.js';
import type { Refusal } from '../../lib/model/changeset.js';
import type { ServerMessage } from '../../lib/protocol/messages.js';
import { marbles, type MarbleHelpers } from '../../lib/testing/marbles.js';
import { answering, at, drawn, living, phone, testSession } from './kit.js';
import { type TestRealm, testRealm } from './testrealm.js';

const writes = [{ type: 'Task', key: 'milk', reason: 'too dear' }];
const standing = [{ type: 'Task', key: 'milk', state: null }];
const refusal = (session: number, version: number): ServerMessage => ({
  type: 'refused',
  session,
  version,
  writes,
  code: 'not-permitted',
  standing,
});

/** Refuses the first write of each page, 3 ms later, and accepts the others. */
const strict = (m: MarbleHelpers) =>
  answering({
    answers: (message) => {
      if (message.type !== 'upload') return undefined;
      const { session, changesets } = message;
      const last = changesets.at(-1)!.version;
      return changesets[0]!.version === 1
        ? m.cold('---ra', { r: refusal(session, 1), a: { type: 'accepted', session, version: last } as ServerMessage })
        : undefined;
    },
  });

/** A realm that notes what it took back, each in so long. */
const noting = (m: MarbleHelpers, takes = '|') => {
  const realm = testRealm();
  const taken: Refusal[] = [];
  const slowly: TestRealm = {
    ...realm,
    refuse: (...refused) => {
      taken.push(...refused);
      return m.cold<never>(takes);
    },
  };
  return { realm, slowly, taken };
};

describe('a refused write', () => {
  it(
    'E9 is taken back first, and listed then, with type, key and reason; nothing stops',
    marbles((m) => {
      const { slowly, taken } = noting(m, '----|');
      const { session } = testSession(m, { dial: phone(m, ['--w', strict(m)]).dial, realm: slowly });
      at(m, '-w', { w: () => slowly.write() });
      // Uploaded at 2, refused at 5, taken back at 9.
      m.expectObservable(session.errors$, '19ms !').toBe('---------e', { e: new CompensatingWriteError(1, writes) });
      m.expectObservable(drawn(session.connectionState$), '19ms !').toBe('c-C');
      m.expectObservable(drawn(session.syncState$), '19ms !').toBe('a');
      at(m, '------x', {
        x: () => expect(taken).toEqual([{ version: 1, writes, code: 'not-permitted', standing }]),
      });
    }),
  );

  it(
    'E9 is what written$ says of it, and the others of its page are accepted',
    marbles((m) => {
      const { session, realm } = testSession(m, { dial: phone(m, ['--w', strict(m)]).dial });
      at(m, '-(ww)', { w: () => realm.write() });
      const states = (version: number) => session.written$(version).pipe(map(({ state }) => state));
      const letters = { v: 'saved', s: 'sent', a: 'accepted', r: 'refused' };
      m.expectObservable(states(1), '-^').toBe('-vs--(r|)', letters);
      m.expectObservable(states(2), '-^').toBe('-vs---(a|)', letters);
    }),
  );

  it(
    'E9 is listed once when the server says it again, on the same line and after a reconnect',
    marbles((m) => {
      const again = answering({
        answers: (message) => {
          if (message.type !== 'upload') return undefined;
          const { session } = message;
          return m.cold('-rr', { r: refusal(session, 1) });
        },
      });
      const realm = testRealm();
      const { session } = testSession(m, {
        dial: phone(m, ['-w', living(m, '------x', again)], ['-w', again]).dial,
        realm,
      });
      at(m, 'w', { w: () => realm.write() });
      const errors: SyncError[] = [];
      session.errors$.subscribe((error) => errors.push(error));
      at(m, '2s x', {
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
      const wrong = answering({
        answers: (message) => (message.type === 'mark' ? m.cold('r', { r: refusal(message.session, 7) }) : undefined),
      });
      const { session } = testSession(m, { dial: phone(m, ['--w', wrong]).dial });
      at(m, '-----d', { d: () => session.downloadComplete$.subscribe({ error: () => undefined }) });
      const shown = expect.objectContaining({ code: 'protocol-violation' }) as unknown;
      m.expectObservable(session.errors$, '19ms !').toBe('-----e', { e: shown });
    }),
  );
});
