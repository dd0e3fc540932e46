import { createClientCore } from '../../lib/client/client-core.js';
import { checkClientOptions } from '../../lib/client/client-options.js';
import { watchReconnectTriggers } from '../../lib/index.js';
import { toSyncSession } from '../../lib/session/api/sync-session.js';
import { marbles } from '../../lib/testing/marbles.js';
import { createAnsweringServer, runAt, lettersOf, createScriptedDial } from '../session/test-kit.js';
import { silentRealmMember, createTestRealm } from '../session/test-realm.js';
import { expectUnanswered, createPage, expectStates, backoffStates } from './reconnect-triggers-kit.js';

describe('the network goes', () => {
  it(
    'field report C-5: `offline` probes a connection that looks open, which may be silent for 7 s at most, and makes no attempt during a wait',
    marbles((m) => {
      const { window, say: dispatch } = createPage();
      runAt(m, '4s o', { o: () => dispatch('window offline') });
      const reconnect$ = watchReconnectTriggers({ clock: m.clock, sources: window });
      const dead = createAnsweringServer({ ignored: ['ping'] });
      expectStates(
        m,
        { dial: createScriptedDial(m, ['--w', dead], '--w').dial, reconnect$, ends: '20s' },
        'c-C 10997ms d 999ms c-C 7997ms (d|)',
      );
      const alive = expectStates(
        m,
        { dial: createScriptedDial(m, '--w').dial, reconnect$, ends: '20s' },
        'c-C 19997ms (d|)',
      );
      expect(alive.isClosed()).toBe(false);
      expectUnanswered(m, { reconnect$ }, backoffStates);
    }),
  );

  it(
    'field report C-5: a connection that receives something after a trigger, or is busy uploading, is kept',
    marbles((m) => {
      const busy = createAnsweringServer({
        answers: (message) =>
          message.type === 'ping'
            ? m.cold('5s a 4999ms b 4999ms c', {
                a: { type: 'accepted', session: 1, version: 0 },
                b: { type: 'accepted', session: 1, version: 0 },
                c: { type: 'pong', sentAt: message.sentAt },
              })
            : undefined,
      });
      const reconnect$ = m.cold('4s n');
      expectStates(m, { dial: createScriptedDial(m, ['--w', busy]).dial, reconnect$, ends: '60s' }, 'c-C 59997ms (d|)');
      const slow = createAnsweringServer({ ignored: ['ping', 'upload'] });
      const core = createClientCore(
        checkClientOptions({
          clock: m.clock,
          dial: createScriptedDial(m, ['--w', slow], '--w').dial,
          reconnect$: m.cold('4s n'),
        }),
      );
      const realm = createTestRealm();
      const initialDownload = { version: 0, bytes: 0, ofBytes: null };
      const known = {
        realmName: 'r',
        outbox: realm.present(),
        initialDownload,
        clientReset: 'manual',
        paused: false,
      } as const;
      const machine = core.createSession(realm, known);
      core.addMember({ machine, ...silentRealmMember });
      realm.write(160_000 - 32); // 10 s at 16 kB/s
      m.expectObservable(lettersOf(toSyncSession(machine, core.reconnect).connectionState$), '20990ms !').toBe('c-C');
      runAt(m, '21001ms x', { x: () => expect(machine.getState().connection.state).not.toBe('connected') });
      runAt(m, '21950ms x', { x: core.close });
    }),
  );
});
