import { EMPTY, filter, merge, NEVER, type Observable, throwError } from 'rxjs';
import type { Clock } from '../../lib/clock.js';
import { createSyncClient, InvalidArgumentError, watchReconnectTriggers } from '../../lib/index.js';
import type { ReconnectTrigger, ReconnectTriggerSources } from '../../lib/index.js';
import type { ClientMessage } from '../../lib/protocol/messages.js';
import { marbles, type MarbleHelpers } from '../../lib/testing/marbles.js';
import { createAnsweringServer, runAt, createScriptedDial } from '../session/test-kit.js';
import {
  expectUnanswered,
  reconnectStates,
  createPage,
  expectStates,
  backoffStates,
} from './reconnect-triggers-kit.js';

/**
 * Creates virtual time in which the machine can sleep: the wall clock goes on, the timers do not. `waiting` counts
 * timers.
 */
const sleepy = (m: MarbleHelpers) => {
  const state = { slept: 0, waiting: 0 };
  const clock: Clock = {
    ...m.clock,
    now: () => m.scheduler.now() + state.slept,
    scheduler: {
      now: () => m.scheduler.now(),
      schedule: (...all: Parameters<typeof m.scheduler.schedule>) => {
        const timer = m.scheduler.schedule(...all);
        state.waiting += 1;
        timer.add(() => (state.waiting -= 1));
        return timer;
      },
    },
  };
  return { clock, sleep: (ms: number): void => void (state.slept += ms), timers: () => state.waiting };
};

const words: Readonly<Record<string, ReconnectTrigger>> = {
  f: 'offline',
  o: 'online',
  v: 'visible',
  r: 'restored',
  w: 'woke',
};

describe('events of the platform', () => {
  it(
    'R10 emit a reconnect trigger for `online`, `offline`, and a page that is shown or restored, and for nothing else',
    marbles((m) => {
      const { window, show, say: dispatch } = createPage();
      //               offline, hidden, loaded, shown, restored, online
      const happens = '-f---h---l---s---p---n|';
      const emitted = '-f-----------v---r---o';
      runAt(m, happens, {
        f: () => dispatch('window offline'),
        h: () => show('hidden'),
        l: () => dispatch('window pageshow', { persisted: false }),
        s: () => show('visible'),
        p: () => dispatch('window pageshow', { persisted: true }),
        n: () => dispatch('window online'),
      });
      m.expectObservable(watchReconnectTriggers({ clock: m.clock, sources: window }), '30ms !').toBe(emitted, words);
    }),
  );

  it(
    'R10 emit a reconnect trigger when the machine slept: the clock advanced and the timers did not',
    marbles((m) => {
      const { clock, sleep } = sleepy(m);
      runAt(m, '2s s 8s t', { s: () => sleep(3_600_000), t: () => sleep(15_001) });
      m.expectObservable(watchReconnectTriggers({ clock, sources: {} }), '60s !').toBe('5s w 9999ms w', words);
    }),
  );

  it.each([
    ['a clock that is set back', [-3_600_000]],
    ['a clock that is set back by little', [-1]],
    ['a timer that is 15 s late', [15_000]],
    ['a clock that is always a little fast', Array.from({ length: 12 }, () => 14_000)],
  ])('do not take this for sleep of the machine: %s', (_, jumps) => {
    marbles((m) => {
      const { clock, sleep } = sleepy(m);
      jumps.forEach((ms, i) => runAt(m, `${i * 5 + 2}s s`, { s: () => sleep(ms) }));
      m.expectObservable(watchReconnectTriggers({ clock, sources: {} }), '100s !').toBe('');
    })();
  });

  it('are not emitted for a hidden page, whose timers are delayed, until it is shown', () => {
    const looks: number[] = [];
    marbles((m) => {
      const { window, show } = createPage('hidden');
      const { clock, sleep, timers } = sleepy(m);
      const act = {
        s: () => sleep(60_000),
        v: () => show('visible'),
        h: () => show('hidden'),
        t: () => looks.push(timers()),
      };
      //                      hidden         shown           hidden         shown
      for (const when of ['1s t', '7s s', '9s v', '11s t', '17s h', '18s t', '19s s', '30s v', '31s t'])
        runAt(m, when, act);
      m.expectObservable(watchReconnectTriggers({ clock, sources: window }), '60s !').toBe('9s v 20999ms v', words);
    })();
    expect(looks).toEqual([0, 1, 0, 1]);
  });

  it(
    'are observed while there is a subscriber, not before or after',
    marbles((m) => {
      const { window, held } = createPage();
      const { clock, timers } = sleepy(m);
      const trigger$ = watchReconnectTriggers({ clock, sources: window });
      expect([held(), timers()]).toEqual([[], 0]);
      const listening = trigger$.subscribe();
      const shown = ['document visibilitychange', 'document visibilitychange'];
      expect([held(), timers()]).toEqual([[...shown, 'window offline', 'window online', 'window pageshow'], 1]);
      listening.unsubscribe();
      expect([held(), timers()]).toEqual([[], 0]);
    }),
  );

  it('are missing where the platform does not have them: Node can only wake', () => {
    const { addEventListener, document } = globalThis as { addEventListener?: unknown; document?: unknown };
    expect([addEventListener, document]).toEqual([undefined, undefined]);
    marbles((m) => {
      const { clock, sleep } = sleepy(m);
      runAt(m, '7s s', { s: () => sleep(3_600_000) });
      m.expectObservable(watchReconnectTriggers({ clock }), '60s !').toBe('10s w', words);
    })();
  });

  it(
    'are fewer without a document, and none if a listener cannot be removed',
    marbles((m) => {
      const { window, say: dispatch } = createPage();
      const { document, addEventListener, removeEventListener } = window;
      const listenersOf = (sources: ReconnectTriggerSources) =>
        m.expectObservable(watchReconnectTriggers({ clock: m.clock, sources }), '9s !');
      runAt(m, '-o', { o: () => dispatch('window online') });
      listenersOf({ addEventListener, removeEventListener }).toBe('-o', words);
      listenersOf({ addEventListener, document }).toBe('');
    }),
  );
});

type Played = (
  platform: ReturnType<typeof createPage>,
  sleep: (ms: number) => void,
) => readonly [() => void, () => void];

/** One event of each source, a second before the diagram and at the tenth second. */
const happenings: readonly [ReconnectTrigger, Played][] = [
  ['online', ({ say: dispatch }) => [() => undefined, () => dispatch('window online')]],
  ['visible', ({ show }) => [() => show('hidden'), () => show('visible')]],
  [
    'restored',
    ({ say: dispatch }) => [() => dispatch('window pagehide'), () => dispatch('window pageshow', { persisted: true })],
  ],
  ['woke', (_, sleep) => [() => sleep(3_600_000), () => undefined]],
];

describe.each(happenings)('a client with the event `%s`', (name, happening) => {
  /** The process acts as a page, so that the client uses the platform's default triggers. */
  const played = (
    test: (m: MarbleHelpers, client: { readonly clock: Clock; readonly held: () => string[] }) => void,
  ): void => {
    const platform = createPage();
    Object.assign(globalThis, platform.window);
    try {
      marbles((m) => {
        const { clock, sleep } = sleepy(m);
        const [before, now] = happening(platform, sleep);
        runAt(m, '9s b 999ms n', { b: before, n: now });
        test(m, { clock, held: platform.held });
      })();
    } finally {
      for (const name of Object.keys(platform.window)) Reflect.deleteProperty(globalThis, name);
    }
    expect(platform.held()).toEqual([]);
  };

  it('R3 R10 R9 connects at once in a backoff, for all its sessions, and resets the backoff', () => {
    played((m, { clock }) => expectUnanswered(m, { clock }, reconnectStates));
  });

  it('R13 connects again after "do not reconnect"', () => {
    played((m, { clock }) => {
      const errorMessage = { type: 'error', session: null, code: 'restarting', text: '', retry: 'never' } as const;
      const refusing = createAnsweringServer({ answers: () => m.cold('-r', { r: errorMessage }) });
      const { dial } = createScriptedDial(m, ['--w', refusing], '--w');
      expectStates(m, { clock, dial, ends: '11s' }, 'c--d 9996ms c-C 997ms (d|)');
    });
  });

  it('R4 R10 only probes a connection that looks alive', () => {
    const listenersOf: ClientMessage[] = [];
    played((m, { clock }) => {
      const { dial, lines } = createScriptedDial(m, ['--w', createAnsweringServer({ received: listenersOf })]);
      expectStates(m, { clock, dial, ends: '20s' }, 'c-C 19997ms (d|)');
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('^ 19999ms !');
    });
    expect(listenersOf.map(({ type }) => type)).toEqual(['bind', 'bind', 'ping', 'unbind', 'unbind']);
  });

  it('R5 R10 finds a dead connection, and connects again without a wait', () => {
    played((m, { clock }) => {
      const dead = createAnsweringServer({ ignored: ['ping'] });
      const { dial } = createScriptedDial(m, ['--w', dead], '-----w');
      expectStates(m, { clock, dial, timeouts: { probe: 500 }, ends: '20s' }, 'c-C 10497ms (dc)-C 9494ms (d|)');
    });
  });

  it('R8 does nothing for a paused session, which has no subscription', () => {
    played((m, { clock, held }) => {
      expectStates(m, { clock, dial: createScriptedDial(m).dial, paused: true, ends: '20s' }, 'd 19999ms |');
      expect(held()).toEqual([]);
    });
  });

  it('R10 ignores it when the app has filtered it out, and reacts to the others', () => {
    played((m, { clock }) => {
      const other = name === 'online' ? 'woke' : 'online';
      const without = (unwanted: ReconnectTrigger) =>
        watchReconnectTriggers({ clock }).pipe(filter((trigger) => trigger !== unwanted));
      expectUnanswered(m, { clock, reconnect$: without(name) }, backoffStates);
      expectUnanswered(m, { clock, reconnect$: without(other) }, reconnectStates);
    });
  });
});

describe('a reconnect$ of the app', () => {
  it(
    'R3 replaces the triggers of the platform, or adds to them',
    marbles((m) => {
      const { window, say: dispatch } = createPage();
      runAt(m, '10s o', { o: () => dispatch('window online') });
      const platform$ = watchReconnectTriggers({ clock: m.clock, sources: window });
      const app$ = m.hot('10s m');
      expectUnanswered(m, { reconnect$: app$ }, reconnectStates);
      expectUnanswered(m, { reconnect$: merge(platform$, NEVER) }, reconnectStates);
      expectUnanswered(m, { reconnect$: merge(NEVER, app$) }, reconnectStates);
      expectUnanswered(m, { reconnect$: NEVER }, backoffStates);
    }),
  );

  it.each<[string, Observable<unknown>]>([
    ['has nothing to say', EMPTY],
    ['errors at once', throwError(() => new Error('no trigger'))],
  ])('ends nothing and changes nothing when it %s', (_, trigger$) => {
    marbles((m) => expectUnanswered(m, { reconnect$: trigger$ }, backoffStates))();
  });

  it(
    'ends nothing when it completes or errors after a trigger: the trigger counts, and reconnect() still works',
    marbles((m) => {
      for (const trigger$ of [m.hot('10s (m|)'), m.hot('10s (m#)')]) {
        const states = 'c-d 999ms c-d 1999ms c-d 3999ms c-d 2991ms c-d 497ms c-d 497ms |';
        const { reconnect } = expectUnanswered(m, { reconnect$: trigger$ }, states);
        runAt(m, '10500ms r', { r: reconnect });
      }
    }),
  );

  it.each([null, 1, 'online', () => NEVER, Promise.resolve(), new EventTarget(), [NEVER]])(
    'is rejected before any effect when it is not an Observable: %s',
    (trigger$) => {
      const make = () => createSyncClient({ dial: NEVER, reconnect$: trigger$ as never });
      expect(make).toThrow(InvalidArgumentError);
      expect(make).toThrow(/^reconnect\$ must be an Observable, received /);
    },
  );
});
