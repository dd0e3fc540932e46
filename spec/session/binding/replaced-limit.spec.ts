import { EMPTY, filter, map } from 'rxjs';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import { marbles, type MarbleHelpers } from '../../../lib/testing/marbles.js';
import { type TestRealm, createTestRealm } from '../test-realm.js';
import {
  createAnsweringServer,
  runAt,
  closeRealm,
  lettersOf,
  createScriptedDial,
  type TestWire,
  createTestSession,
} from '../test-kit.js';
import { boundFields } from '../../protocol/bound-fields.js';

const replaced = { type: 'error', code: 'replaced', text: 'bound again', retry: 'later' } as const;

/**
 * Creates a server that binds each session and sends `replaced` after this number of milliseconds, once for each
 * number.
 */
const taking = (m: MarbleHelpers, retry: 'later' | 'never' | 'deaf', ...times: readonly number[]): TestWire => {
  const left = [...times];
  return (sent$) =>
    createAnsweringServer({
      answers: (message) => {
        if (message.type === 'upload' && retry === 'deaf') return EMPTY; // Never answers.
        const ms = message.type === 'bind' ? left.shift() : undefined;
        if (message.type !== 'bind' || ms === undefined) return undefined;
        const { session, downloadedTo, acknowledged } = message;
        const bound: ServerMessage = {
          ...{ type: 'bound', session, history: 'h', head: downloadedTo, headBytes: 0, accepted: acknowledged },
          ...{ serverTime: 0, frameBytesMax: 1e6, ...boundFields, snapshot: null },
        };
        return m.cold(`b ${ms - 1}ms r`, {
          b: bound,
          r: { ...replaced, retry: retry === 'never' ? retry : 'later', session },
        });
      },
    })(sent$);
};

describe('a replica that another session binds', () => {
  it(
    'E2 is bound again: the other bind was its own, late or repeated, on an earlier connection',
    marbles((m) => {
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['--w', taking(m, 'later', 10)]).dial });
      m.expectObservable(lettersOf(scene.session.connectionState$), '3s !').toBe('c-C 9ms d 999ms (cC)');
      m.expectObservable(lettersOf(scene.session.syncState$), '     3s !').toBe('a');
      const errors$ = scene.session.errors$.pipe(map(({ code, fatal }) => `${code} ${fatal}`));
      m.expectObservable(errors$, '                             3s !').toBe('12ms e', { e: 'suspended false' });
      runAt(m, '3s x', { x: () => closeRealm(scene) });
    }),
  );

  it(
    'E2 is bound again whatever a server of another version sends as `retry`',
    marbles((m) => {
      const scene = createTestSession(m, { dial: createScriptedDial(m, ['w', taking(m, 'never', 10)]).dial });
      m.expectObservable(lettersOf(scene.session.connectionState$), '3s !').toBe('(cC) 6ms d 999ms (cC)');
      runAt(m, '3s x', { x: () => closeRealm(scene) });
    }),
  );

  it(
    'field report A-2: is left to a copy the fourth time within a minute: this one becomes another replica',
    marbles((m) => {
      const realm = createTestRealm();
      const resets: string[] = [];
      const reset: TestRealm['reset'] = (mode) => {
        resets.push(`${mode} ${m.clock.now()}`);
        return realm.reset(mode);
      };
      const dial = createScriptedDial(m, ['w', taking(m, 'later', 10, 10, 10, 10)]).dial;
      const scene = createTestSession(m, { dial, realm: { ...realm, reset } });
      m.expectObservable(lettersOf(scene.session.syncState$), '60s !').toBe('a');
      const codes$ = scene.session.errors$.pipe(map(({ code, fatal }) => `${code} ${fatal}`));
      // Disconnected at 10, 1020, 3030 and 7040; bound again after 1, 2, 4 and 8 seconds.
      m.expectObservable(codes$.pipe(filter((code) => code.startsWith('replica'))), '60s !').toBe('15040ms e', {
        e: 'replica-copied false',
      });
      runAt(m, '60s x', {
        x: () => {
          expect(resets).toEqual(['copied 15040']);
          closeRealm(scene);
        },
      });
    }),
  );

  it(
    'field report A-2: is taken back in turns as long as something waits, which the copy may have as well',
    marbles((m) => {
      const realm = createTestRealm();
      realm.write();
      const resets: string[] = [];
      const reset: TestRealm['reset'] = (mode) => {
        resets.push(mode);
        return realm.reset(mode);
      };
      const dial = createScriptedDial(m, ['w', taking(m, 'deaf', 10, 10, 10, 10, 10)]).dial;
      const scene = createTestSession(m, { dial, realm: { ...realm, reset } });
      m.expectObservable(lettersOf(scene.session.syncState$), '60s !').toBe('a');
      runAt(m, '60s x', {
        x: () => {
          expect(resets).toEqual([]);
          closeRealm(scene, true);
        },
      });
    }),
  );

  it(
    'is not given up when it is a minute later',
    marbles((m) => {
      const scene = createTestSession(m, {
        dial: createScriptedDial(m, ['w', taking(m, 'later', 10, 10, 10, 60_000)]).dial,
      });
      m.expectObservable(lettersOf(scene.session.syncState$), '2m !').toBe('a');
      m.expectObservable(lettersOf(scene.session.connectionState$).pipe(filter((each) => each === 'd')), '2m !').toBe(
        '10ms d 1009ms d 2009ms d 63999ms d',
      );
      runAt(m, '2m x', { x: () => closeRealm(scene) });
    }),
  );
});
