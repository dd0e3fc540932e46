import { EMPTY, filter, map } from 'rxjs';
import type { ServerMessage } from '../../lib/protocol/messages.js';
import { marbles, type MarbleHelpers } from '../../lib/testing/marbles.js';
import { type TestRealm, testRealm } from './testrealm.js';
import { answering, at, close, drawn, phone, type TestWire, testSession } from './kit.js';
import { boundRest } from '../protocol/bound-rest.js';

const replaced = { type: 'error', code: 'replaced', text: 'bound again', retry: 'later' } as const;

/** A server that binds each session, and tells it so many milliseconds later that another has its replica: as often as there are times. */
const taking = (m: MarbleHelpers, retry: 'later' | 'never' | 'deaf', ...times: readonly number[]): TestWire => {
  const left = [...times];
  return (said) =>
    answering({
      answers: (message) => {
        if (message.type === 'upload' && retry === 'deaf') return EMPTY; // It never answers.
        const ms = message.type === 'bind' ? left.shift() : undefined;
        if (message.type !== 'bind' || ms === undefined) return undefined;
        const { session, seen, acknowledged } = message;
        const bound: ServerMessage = {
          ...{ type: 'bound', session, history: 'h', head: seen, headBytes: 0, accepted: acknowledged },
          ...{ serverTime: 0, frameBytesMax: 1e6, ...boundRest, snapshot: null },
        };
        return m.cold(`b ${ms - 1}ms r`, {
          b: bound,
          r: { ...replaced, retry: retry === 'never' ? retry : 'later', session },
        });
      },
    })(said);
};

describe('a replica that somebody else binds', () => {
  it(
    'E2 is bound again: that was a line of its own that came late, or twice',
    marbles((m) => {
      const scene = testSession(m, { dial: phone(m, ['--w', taking(m, 'later', 10)]).dial });
      m.expectObservable(drawn(scene.session.connectionState$), '3s !').toBe('c-C 9ms d 999ms (cC)');
      m.expectObservable(drawn(scene.session.syncState$), '     3s !').toBe('a');
      const errors$ = scene.session.errors$.pipe(map(({ code, fatal }) => `${code} ${fatal}`));
      m.expectObservable(errors$, '                             3s !').toBe('12ms e', { e: 'suspended false' });
      at(m, '3s x', { x: () => close(scene) });
    }),
  );

  it(
    'E2 is bound again whatever a server of another version says of trying again',
    marbles((m) => {
      const scene = testSession(m, { dial: phone(m, ['w', taking(m, 'never', 10)]).dial });
      m.expectObservable(drawn(scene.session.connectionState$), '3s !').toBe('(cC) 6ms d 999ms (cC)');
      at(m, '3s x', { x: () => close(scene) });
    }),
  );

  it(
    'field report A2: is left to a copy the fourth time within a minute: this one becomes another replica',
    marbles((m) => {
      const realm = testRealm();
      const resets: string[] = [];
      const reset: TestRealm['reset'] = (mode) => {
        resets.push(`${mode} ${m.clock.now()}`);
        return realm.reset(mode);
      };
      const dial = phone(m, ['w', taking(m, 'later', 10, 10, 10, 10)]).dial;
      const scene = testSession(m, { dial, realm: { ...realm, reset } });
      m.expectObservable(drawn(scene.session.syncState$), '60s !').toBe('a');
      const codes$ = scene.session.errors$.pipe(map(({ code, fatal }) => `${code} ${fatal}`));
      // Dropped at 10, 1020, 3030 and 7040; bound again after 1, 2, 4 and 8 seconds.
      m.expectObservable(codes$.pipe(filter((code) => code.startsWith('replica'))), '60s !').toBe('15040ms e', {
        e: 'replica-copied false',
      });
      at(m, '60s x', {
        x: () => {
          expect(resets).toEqual(['copied 15040']);
          close(scene);
        },
      });
    }),
  );

  it(
    'field report A2: is taken back in turns as long as something waits, which the copy may have as well',
    marbles((m) => {
      const realm = testRealm();
      realm.write();
      const resets: string[] = [];
      const reset: TestRealm['reset'] = (mode) => {
        resets.push(mode);
        return realm.reset(mode);
      };
      const dial = phone(m, ['w', taking(m, 'deaf', 10, 10, 10, 10, 10)]).dial;
      const scene = testSession(m, { dial, realm: { ...realm, reset } });
      m.expectObservable(drawn(scene.session.syncState$), '60s !').toBe('a');
      at(m, '60s x', {
        x: () => {
          expect(resets).toEqual([]);
          close(scene, true);
        },
      });
    }),
  );

  it(
    'is not given up when it is a minute later',
    marbles((m) => {
      const scene = testSession(m, { dial: phone(m, ['w', taking(m, 'later', 10, 10, 10, 60_000)]).dial });
      m.expectObservable(drawn(scene.session.syncState$), '2m !').toBe('a');
      m.expectObservable(drawn(scene.session.connectionState$).pipe(filter((each) => each === 'd')), '2m !').toBe(
        '10ms d 1009ms d 2009ms d 63999ms d',
      );
      at(m, '2m x', { x: () => close(scene) });
    }),
  );
});
