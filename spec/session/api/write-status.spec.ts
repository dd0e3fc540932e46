import { map, NEVER } from 'rxjs';
import { InvalidArgumentError, SessionClosedError } from '../../../lib/model/errors.js';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import { marbles } from '../../../lib/testing/marbles.js';
import {
  createAnsweringServer,
  runAt,
  closeRealm,
  createEndingWire,
  createScriptedDial,
  createTestSession,
} from '../test-kit.js';
import { createTestRealm } from '../test-realm.js';

/** Creates a server that acknowledges uploads after 5 ms. */
const slow = (m: Parameters<typeof createScriptedDial>[0]) =>
  createAnsweringServer({
    answers: (message) => {
      if (message.type !== 'upload') return undefined;
      const version = message.changesets.at(-1)!.version;
      return m.cold('-----a', { a: { type: 'accepted', session: message.session, version } as ServerMessage });
    },
  });

describe('written$', () => {
  const stages = { v: 'saved', s: 'sent', a: 'accepted' };

  it(
    'emits saved, sent and accepted, and completes',
    marbles((m) => {
      const { session, realm } = createTestSession(m, { dial: createScriptedDial(m, ['-----w', slow(m)]).dial });
      runAt(m, '-w', { w: () => realm.write() });
      const asked = '   --^';
      const expected = '--v--s----(a|)';
      m.expectObservable(session.written$(1).pipe(map(({ state }) => state)), asked).toBe(expected, stages);
    }),
  );

  it(
    'begins with the current stage of the write: accepted for an old one, and none for a future one',
    marbles((m) => {
      const { session, realm } = createTestSession(m, { dial: createScriptedDial(m, '-w').dial });
      runAt(m, '--w-----w', { w: () => realm.write() });
      const states = (version: number) => session.written$(version).pipe(map(({ state }) => state));
      m.expectObservable(states(1), '-----^').toBe('-----(a|)', stages);
      m.expectObservable(states(2), '-----^').toBe('--------(vsa|)', stages);
    }),
  );

  it(
    'stays sent when the connection ends before the acknowledgement, and is accepted only after it',
    marbles((m) => {
      const { dial } = createScriptedDial(m, ['-----w', createEndingWire(m, '--x', slow(m))], ['-w', slow(m)]);
      const { session, realm } = createTestSession(m, { dial });
      runAt(m, '-w', { w: () => realm.write() });
      const expected = '--v--s 1007ms (a|)'; // Disconnected at 7, reconnecting at 1007, open at 1008.
      m.expectObservable(session.written$(1).pipe(map(({ state }) => state)), '--^').toBe(expected, stages);
    }),
  );

  it(
    'errors when the session ends before, and not when it has been accepted',
    marbles((m) => {
      const realm = createTestRealm();
      const opened = createTestSession(m, { dial: NEVER, realm });
      runAt(m, '-w--c', { w: () => realm.write(), c: () => closeRealm(opened, true) });
      const state$ = opened.session.written$(1).pipe(map(({ state }) => state));
      m.expectObservable(state$, '--^').toBe('--v-#', stages, new SessionClosedError('closed'));
    }),
  );

  it(
    'throws at the call for an invalid version',
    marbles((m) => {
      const { session } = createTestSession(m, { dial: NEVER });
      for (const version of [0, -1, 1.5, NaN, '1' as never]) {
        expect(() => session.written$(version)).toThrow(InvalidArgumentError);
      }
    }),
  );
});
