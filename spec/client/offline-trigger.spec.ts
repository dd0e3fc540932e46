import { createClientCore } from '../../lib/client/core.js';
import { checkedClientOptions } from '../../lib/client/options.js';
import { platformNudges } from '../../lib/index.js';
import { asSyncSession } from '../../lib/session/syncsession.js';
import { marbles } from '../../lib/testing/marbles.js';
import { answering, at, drawn, phone } from '../session/kit.js';
import { silentMember, testRealm } from '../session/testrealm.js';
import { calling, page, showing, unnudged } from './nudges-kit.js';

describe('the network goes', () => {
  it(
    'field report C5: `offline` probes a line that looks alive, which is silent for 7 s at most, and calls nobody in a wait',
    marbles((m) => {
      const { window, say } = page();
      at(m, '4s o', { o: () => say('window offline') });
      const nudge$ = platformNudges({ clock: m.clock, sources: window });
      const dead = answering({ ignoring: ['ping'] });
      showing(
        m,
        { dial: phone(m, ['--w', dead], '--w').dial, nudge$, ends: '20s' },
        'c-C 10997ms d 999ms c-C 7997ms (d|)',
      );
      const alive = showing(m, { dial: phone(m, '--w').dial, nudge$, ends: '20s' }, 'c-C 19997ms (d|)');
      expect(alive.isClosed()).toBe(false);
      calling(m, { nudge$ }, unnudged);
    }),
  );

  it(
    'field report C5: a line on which something arrives after a trigger is not taken for dead, nor one that is busy uploading',
    marbles((m) => {
      const busy = answering({
        answers: (message) =>
          message.type === 'ping'
            ? m.cold('5s a 4999ms b 4999ms c', {
                a: { type: 'accepted', session: 1, version: 0 },
                b: { type: 'accepted', session: 1, version: 0 },
                c: { type: 'pong', sentAt: message.sentAt },
              })
            : undefined,
      });
      const nudge$ = m.cold('4s n');
      showing(m, { dial: phone(m, ['--w', busy]).dial, nudge$, ends: '60s' }, 'c-C 59997ms (d|)');
      const slow = answering({ ignoring: ['ping', 'upload'] });
      const core = createClientCore(
        checkedClientOptions({ clock: m.clock, dial: phone(m, ['--w', slow], '--w').dial, nudge$: m.cold('4s n') }),
      );
      const realm = testRealm();
      const here = { version: 0, bytes: 0, ofBytes: null };
      const known = { realmName: 'r', outbox: realm.present(), here, clientReset: 'manual', paused: false } as const;
      const machine = core.session(realm, known);
      core.joined({ machine, ...silentMember });
      realm.write(160_000 - 32); // 10 s at 16 kB/s
      m.expectObservable(drawn(asSyncSession(machine, core.reconnect).connectionState$), '20990ms !').toBe('c-C');
      at(m, '21001ms x', { x: () => expect(machine.present().connection.state).not.toBe('connected') });
      at(m, '21950ms x', { x: core.close });
    }),
  );
});
