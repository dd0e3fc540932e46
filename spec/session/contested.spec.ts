import { filter, map, take } from 'rxjs';
import type { ServerMessage } from '../../lib/protocol/messages.js';
import { marbles, type MarbleHelpers } from '../../lib/testing/marbles.js';
import { answering, at, close, drawn, phone, type TestWire, testSession } from './kit.js';
import { boundRest } from '../protocol/bound-rest.js';

const replaced = { type: 'error', code: 'replaced', text: 'bound again', retry: 'later' } as const;

/** A server that binds each session, and tells it so many milliseconds later that another has its replica: as often as there are times. */
const taking = (m: MarbleHelpers, retry: 'later' | 'never', ...times: readonly number[]): TestWire => {
  const left = [...times];
  return (said) =>
    answering({
      answers: (message) => {
        const ms = message.type === 'bind' ? left.shift() : undefined;
        if (message.type !== 'bind' || ms === undefined) return undefined;
        const { session, seen, acknowledged } = message;
        const bound: ServerMessage = {
          ...{ type: 'bound', session, history: 'h', head: seen, headBytes: 0, accepted: acknowledged },
          ...{ serverTime: 0, frameBytesMax: 1e6, ...boundRest, snapshot: null },
        };
        return m.cold(`b ${ms - 1}ms r`, { b: bound, r: { ...replaced, retry, session } });
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
    'is given up the fourth time within a minute: somebody has a copy of the same data',
    marbles((m) => {
      const scene = testSession(m, { dial: phone(m, ['w', taking(m, 'later', 10, 10, 10, 10)]).dial });
      m.expectObservable(drawn(scene.session.syncState$)).toBe('a 7039ms i'); // 10 + 1000 + 10 + 2000 + 10 + 4000 + 10
      const fatal$ = scene.session.errors$.pipe(
        filter(({ fatal }) => fatal),
        map(({ code, message }) => `${code}: ${message}`),
        take(1),
      );
      m.expectObservable(fatal$).toBe('7040ms (e|)', { e: 'replaced: bound again' });
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
