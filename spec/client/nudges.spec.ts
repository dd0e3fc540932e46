import { EMPTY, filter, merge, NEVER, type Observable, throwError } from 'rxjs';
import type { Clock } from '../../lib/clock.js';
import { createSyncClient, InvalidArgumentError, platformNudges } from '../../lib/index.js';
import type { Nudge, NudgeSources } from '../../lib/index.js';
import type { ClientMessage } from '../../lib/protocol/messages.js';
import { marbles, type MarbleHelpers } from '../../lib/testing/marbles.js';
import { answering, at, phone } from '../session/kit.js';
import { calling, nudged, page, showing, unnudged } from './nudges-kit.js';

/** Virtual time in which the machine can sleep: the wall clock goes on, the timers do not. `waiting` counts timers. */
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

const words: Readonly<Record<string, Nudge>> = { f: 'offline', o: 'online', v: 'visible', r: 'restored', w: 'woke' };

describe('what the platform says', () => {
  it(
    'R10 counts as a nudge when it is `online` or `offline`, a page that is shown, or one that was kept and comes back; nothing else does',
    marbles((m) => {
      const { window, show, say } = page();
      //               offline, hidden, loaded, shown, restored, online
      const happens = '-f---h---l---s---p---n|';
      const nudges = ' -f-----------v---r---o';
      at(m, happens, {
        f: () => say('window offline'),
        h: () => show('hidden'),
        l: () => say('window pageshow', { persisted: false }),
        s: () => show('visible'),
        p: () => say('window pageshow', { persisted: true }),
        n: () => say('window online'),
      });
      m.expectObservable(platformNudges({ clock: m.clock, sources: window }), '30ms !').toBe(nudges, words);
    }),
  );

  it(
    'R10 counts as a nudge when the clock went on and the timers did not: the machine slept',
    marbles((m) => {
      const { clock, sleep } = sleepy(m);
      at(m, '2s s 8s t', { s: () => sleep(3_600_000), t: () => sleep(15_001) });
      m.expectObservable(platformNudges({ clock, sources: {} }), '60s !').toBe('5s w 9999ms w', words);
    }),
  );

  it.each([
    ['a clock that is set back', [-3_600_000]],
    ['a clock that is set back by little', [-1]],
    ['a timer that is 15 s late', [15_000]],
    ['a clock that is always a little fast', Array.from({ length: 12 }, () => 14_000)],
  ])('is not that the machine slept for %s', (_, jumps) => {
    marbles((m) => {
      const { clock, sleep } = sleepy(m);
      jumps.forEach((ms, i) => at(m, `${i * 5 + 2}s s`, { s: () => sleep(ms) }));
      m.expectObservable(platformNudges({ clock, sources: {} }), '100s !').toBe('');
    })();
  });

  it('is not that the machine slept for a hidden page, whose timers are held back: nobody looks until it is shown', () => {
    const looks: number[] = [];
    marbles((m) => {
      const { window, show } = page('hidden');
      const { clock, sleep, timers } = sleepy(m);
      const act = {
        s: () => sleep(60_000),
        v: () => show('visible'),
        h: () => show('hidden'),
        t: () => looks.push(timers()),
      };
      //                      hidden         shown           hidden         shown
      for (const when of ['1s t', '7s s', '9s v', '11s t', '17s h', '18s t', '19s s', '30s v', '31s t'])
        at(m, when, act);
      m.expectObservable(platformNudges({ clock, sources: window }), '60s !').toBe('9s v 20999ms v', words);
    })();
    expect(looks).toEqual([0, 1, 0, 1]);
  });

  it(
    'is looked at while somebody listens, and not before or after',
    marbles((m) => {
      const { window, held } = page();
      const { clock, timers } = sleepy(m);
      const nudge$ = platformNudges({ clock, sources: window });
      expect([held(), timers()]).toEqual([[], 0]);
      const listening = nudge$.subscribe();
      const shown = ['document visibilitychange', 'document visibilitychange'];
      expect([held(), timers()]).toEqual([[...shown, 'window offline', 'window online', 'window pageshow'], 1]);
      listening.unsubscribe();
      expect([held(), timers()]).toEqual([[], 0]);
    }),
  );

  it('is absent where the platform does not have it, not faked: Node can only wake', () => {
    const { addEventListener, document } = globalThis as { addEventListener?: unknown; document?: unknown };
    expect([addEventListener, document]).toEqual([undefined, undefined]);
    marbles((m) => {
      const { clock, sleep } = sleepy(m);
      at(m, '7s s', { s: () => sleep(3_600_000) });
      m.expectObservable(platformNudges({ clock }), '60s !').toBe('10s w', words);
    })();
  });

  it(
    'is less where there is no document, and nothing where nobody could stop listening',
    marbles((m) => {
      const { window, say } = page();
      const { document, addEventListener, removeEventListener } = window;
      const heard = (sources: NudgeSources) => m.expectObservable(platformNudges({ clock: m.clock, sources }), '9s !');
      at(m, '-o', { o: () => say('window online') });
      heard({ addEventListener, removeEventListener }).toBe('-o', words);
      heard({ addEventListener, document }).toBe('');
    }),
  );
});

type Played = (platform: ReturnType<typeof page>, sleep: (ms: number) => void) => readonly [() => void, () => void];

/** One for each source: what happens a second before, and at the tenth second. */
const happenings: readonly [Nudge, Played][] = [
  ['online', ({ say }) => [() => undefined, () => say('window online')]],
  ['visible', ({ show }) => [() => show('hidden'), () => show('visible')]],
  ['restored', ({ say }) => [() => say('window pagehide'), () => say('window pageshow', { persisted: true })]],
  ['woke', (_, sleep) => [() => sleep(3_600_000), () => undefined]],
];

describe.each(happenings)('a client that hears of `%s`', (name, happening) => {
  /** In a process that is a page, so that a client has what the platform says by default. */
  const played = (
    test: (m: MarbleHelpers, client: { readonly clock: Clock; readonly held: () => string[] }) => void,
  ): void => {
    const platform = page();
    Object.assign(globalThis, platform.window);
    try {
      marbles((m) => {
        const { clock, sleep } = sleepy(m);
        const [before, now] = happening(platform, sleep);
        at(m, '9s b 999ms n', { b: before, n: now });
        test(m, { clock, held: platform.held });
      })();
    } finally {
      for (const name of Object.keys(platform.window)) Reflect.deleteProperty(globalThis, name);
    }
    expect(platform.held()).toEqual([]);
  };

  it('R3 R10 R9 calls at once in a backoff, for all its sessions, and starts the backoff over', () => {
    played((m, { clock }) => calling(m, { clock }, nudged));
  });

  it('R13 calls again after "do not reconnect"', () => {
    played((m, { clock }) => {
      const refusal = { type: 'error', session: null, code: 'restarting', text: '', retry: 'never' } as const;
      const refusing = answering({ answers: () => m.cold('-r', { r: refusal }) });
      const { dial } = phone(m, ['--w', refusing], '--w');
      showing(m, { clock, dial, ends: '11s' }, 'c--d 9996ms c-C 997ms (d|)');
    });
  });

  it('R4 R10 only probes a line that looks alive', () => {
    const heard: ClientMessage[] = [];
    played((m, { clock }) => {
      const { dial, lines } = phone(m, ['--w', answering({ heard })]);
      showing(m, { clock, dial, ends: '20s' }, 'c-C 19997ms (d|)');
      m.expectSubscriptions(lines[0]!.subscriptions).toBe('^ 19999ms !');
    });
    expect(heard.map(({ type }) => type)).toEqual(['bind', 'bind', 'ping', 'unbind', 'unbind']);
  });

  it('R5 R10 finds a line that died in the meantime, and calls again without a wait', () => {
    played((m, { clock }) => {
      const dead = answering({ ignoring: ['ping'] });
      const { dial } = phone(m, ['--w', dead], '-----w');
      showing(m, { clock, dial, timeouts: { probe: 500 }, ends: '20s' }, 'c-C 10497ms (dc)-C 9494ms (d|)');
    });
  });

  it('R8 does nothing for a session that is paused: nobody listens for it', () => {
    played((m, { clock, held }) => {
      showing(m, { clock, dial: phone(m).dial, paused: true, ends: '20s' }, 'd 19999ms |');
      expect(held()).toEqual([]);
    });
  });

  it('R10 says nothing when the app has filtered it out, and what is left still does', () => {
    played((m, { clock }) => {
      const other = name === 'online' ? 'woke' : 'online';
      const without = (unwanted: Nudge) => platformNudges({ clock }).pipe(filter((nudge) => nudge !== unwanted));
      calling(m, { clock, nudge$: without(name) }, unnudged);
      calling(m, { clock, nudge$: without(other) }, nudged);
    });
  });
});

describe('a nudge$ of the app', () => {
  it(
    'R3 takes the place of the platform, or adds to it',
    marbles((m) => {
      const { window, say } = page();
      at(m, '10s o', { o: () => say('window online') });
      const platform$ = platformNudges({ clock: m.clock, sources: window });
      const mine$ = m.hot('10s m');
      calling(m, { nudge$: mine$ }, nudged);
      calling(m, { nudge$: merge(platform$, NEVER) }, nudged);
      calling(m, { nudge$: merge(NEVER, mine$) }, nudged);
      calling(m, { nudge$: NEVER }, unnudged);
    }),
  );

  it.each<[string, Observable<unknown>]>([
    ['has nothing to say', EMPTY],
    ['errors at once', throwError(() => new Error('no nudge'))],
  ])('ends nothing and changes nothing when it %s', (_, nudge$) => {
    marbles((m) => calling(m, { nudge$ }, unnudged))();
  });

  it(
    'ends nothing when it completes or errors after a nudge: what it said counts, and reconnect() goes on',
    marbles((m) => {
      for (const nudge$ of [m.hot('10s (m|)'), m.hot('10s (m#)')]) {
        const states = 'c-d 999ms c-d 1999ms c-d 3999ms c-d 2991ms c-d 497ms c-d 497ms |';
        const { reconnect } = calling(m, { nudge$ }, states);
        at(m, '10500ms r', { r: reconnect });
      }
    }),
  );

  it.each([null, 1, 'online', () => NEVER, Promise.resolve(), new EventTarget(), [NEVER]])(
    'is refused, before anything is done, when it is no Observable: %s',
    (nudge$) => {
      const make = () => createSyncClient({ dial: NEVER, nudge$: nudge$ as never });
      expect(make).toThrow(InvalidArgumentError);
      expect(make).toThrow(/^nudge\$: expected an Observable, got /);
    },
  );
});
