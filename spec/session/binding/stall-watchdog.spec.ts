import { distinctUntilChanged, map } from 'rxjs';
import { StalledError } from '../../../lib/model/errors.js';
import type { ClientMessage, ServerMessage } from '../../../lib/protocol/messages.js';
import { marbles } from '../../../lib/testing/marbles.js';
import {
  createAnsweringServer,
  runAt,
  closeRealm,
  lettersOf,
  createScriptedDial,
  createTestSession,
} from '../test-kit.js';

/* `timeouts.stall` is 30 ms in these diagrams, so that they can be drawn. Pings are far away. */
const timeouts = { stall: 30, backoffFirst: 10 };

/** Creates a server that binds and answers pings, and never acknowledges anything. */
const stuck = (received: ClientMessage[] = []) => createAnsweringServer({ ignored: ['upload', 'mark'], received });

const since = (opened: ReturnType<typeof createTestSession>) =>
  opened.session.status$.pipe(
    map(({ stalledSince }) => stalledSince),
    distinctUntilChanged(),
  );

describe('the stall watchdog', () => {
  it(
    'sets stalledSince and probes, opens a new connection when the answer changes nothing, and then reports a StalledError, once',
    marbles((m) => {
      const received: ClientMessage[] = [];
      const { dial } = createScriptedDial(m, ['w', stuck(received)], ['w', stuck()], ['w', stuck()]);
      const opened = createTestSession(m, { dial, timeouts });
      runAt(m, 'w 149ms x', { w: () => opened.realm.write(), x: () => closeRealm(opened, true) });
      // Written at 0; stalled at 30, probed and answered; closed at 60, reconnected at 70, stalled again at 100, at 130
      // …
      m.expectObservable(lettersOf(opened.session.connectionState$), '^ 149ms !').toBe(
        'C 59ms d 9ms (cC) 56ms d 19ms |',
      );
      m.expectObservable(opened.session.errors$, '^ 149ms !').toBe('100ms e 49ms |', { e: new StalledError(0) });
      runAt(m, '31ms a', {
        a: () => {
          expect(opened.session.status.stalledSince).toBe(0);
          expect(received.filter(({ type }) => type === 'ping')).toHaveLength(1);
        },
      });
    }),
  );

  it(
    'is quiet again as soon as something moves',
    marbles((m) => {
      const late = createAnsweringServer({
        answers: (message) =>
          message.type === 'upload'
            ? m.cold('40ms a', {
                a: { type: 'accepted', session: message.session, version: 1 } as ServerMessage,
              })
            : undefined,
      });
      const opened = createTestSession(m, { dial: createScriptedDial(m, ['w', late]).dial, timeouts });
      runAt(m, 'w', { w: () => opened.realm.write() });
      m.expectObservable(since(opened).pipe(map((at) => (at === null ? 'n' : 's')))).toBe('n 29ms s 9ms n');
      m.expectObservable(opened.session.errors$).toBe('');
    }),
  );

  it(
    'never fires on a slow link that still moves, nor on one on which nothing waits',
    marbles((m) => {
      let version = 0;
      const slow = createAnsweringServer({
        answers: (message) =>
          message.type === 'upload'
            ? m.cold('20ms a 19ms b 19ms c', {
                a: { type: 'accepted', session: message.session, version: ++version } as ServerMessage,
                b: { type: 'accepted', session: message.session, version: ++version } as ServerMessage,
                c: { type: 'accepted', session: message.session, version: ++version } as ServerMessage,
              })
            : undefined,
      });
      const opened = createTestSession(m, { dial: createScriptedDial(m, ['------w', slow]).dial, timeouts });
      runAt(m, '(www)', { w: () => opened.realm.write() });
      m.expectObservable(since(opened).pipe(map((at) => at !== null)), '^ 299ms !').toBe('f', { f: false });
    }),
  );
});
