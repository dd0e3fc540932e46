import { isRealmName, limits } from '../../lib/model/limits.js';
import { themeSettings, themes, type Theme } from '../../sim/themes.js';
import { planOf, type Act, type Plan } from '../../sim/plan.js';

/** Acts that every simulation has. */
const acts = [
  ...['write', 'rejectable', 'burst', 'pause', 'resume', 'reconnect', 'logOut', 'logIn', 'close', 'open', 'killed'],
  ...['power', 'cut', 'half-open', 'down', 'up', 'slow', 'fast', 'jump', 'uploaded?', 'downloaded?'],
  ...['server killed', 'server power', 'server restarted', 'server up', 'backup', 'restore'],
  ...['other user', 'own user', 'read only', 'may write', 'cloned', 'server clock wrong', 'server clock right'],
  ...['flood', 'reject burst', 'discard', 'renew', 'tokens fail', 'tokens expired', 'tokens work', 'lost', 'repeat'],
] as const satisfies readonly Act[];

/** Acts, the acts that undo them, and the most milliseconds between; the least are 100. */
const undone: readonly (readonly [Act, Act, number])[] = [
  ['down', 'up', 60_100],
  ['slow', 'fast', 60_100],
  ['pause', 'resume', 40_100],
  ['logOut', 'logIn', 40_100],
  ['close', 'open', 30_100],
  ['killed', 'open', 20_100],
  ['power', 'open', 20_100],
  ['lost', 'open', 20_100],
  ['discard', 'logIn', 20_100],
  ['other user', 'own user', 40_100],
  ['read only', 'may write', 40_100],
  ['server clock wrong', 'server clock right', 60_100],
  ['tokens fail', 'tokens work', 40_100],
  ['tokens expired', 'tokens work', 40_100],
  ['server killed', 'server up', 20_100],
  ['server power', 'server up', 20_100],
  ['server restarted', 'server up', 10_100],
];

const options = { devices: 3, minutes: 4 };
const seeds = Array.from({ length: 200 }, (_, seed) => seed);
const plans: readonly Plan[] = seeds.map((seed) => planOf({ seed, ...options }));
const actsOf = ({ events }: Plan): readonly Act[] => events.map(({ act }) => act);

describe('the plan of a seed', () => {
  it('is exactly the same for the same options, whatever was planned in between', () => {
    expect(JSON.stringify(seeds.map((seed) => planOf({ seed, ...options })))).toBe(JSON.stringify(plans));
    for (const seed of [1, 2, 3]) {
      const [first, , again] = [5, 2, 5].map((devices) => JSON.stringify(planOf({ seed, devices, minutes: 10 })));
      expect(again).toBe(first);
    }
  });

  it('differs for every seed, and for other devices and minutes', () => {
    const others = [planOf({ seed: 1, devices: 2, minutes: 4 }), planOf({ seed: 1, devices: 3, minutes: 5 })];
    const all = [...plans, ...others].map(({ events }) => JSON.stringify(events));
    expect(new Set(all).size).toBe(all.length);
  });

  it('contains its seed, devices and duration', () => {
    expect(planOf({ seed: 9, ...options })).toMatchObject({ seed: 9, devices: 3, duration: 240_000 });
  });

  it('has every act in some of 200 seeds', () => {
    const found = new Set(plans.flatMap(actsOf));
    expect(acts.filter((act) => !found.has(act))).toEqual([]);
  });

  it('has more writes than any other act', () => {
    for (const plan of plans) {
      const all = actsOf(plan);
      expect(all.filter((act) => act === 'write').length).toBeGreaterThan(all.length / 9);
    }
  });

  it('is in order of time, in whole milliseconds, and ends before its duration', () => {
    for (const { events, duration } of plans) {
      const times = events.map(({ at }) => at);
      expect(times.every((at, index) => index === 0 || at >= times[index - 1]!)).toBe(true);
      expect(times.every((at) => Number.isSafeInteger(at) && at >= 0 && at < duration)).toBe(true);
      expect(times.at(-1)).toBeGreaterThan(duration * 0.75);
    }
  });

  it('opens each device within five seconds, before any other act', () => {
    for (const { events } of plans) {
      for (let device = 1; device <= options.devices; device += 1) {
        const first = events.find((event) => event.device === device);
        expect(first).toMatchObject({ act: 'open' });
        expect(first!.at).toBeLessThan(5_000);
      }
    }
  });

  it('does not disturb the server in its first twenty seconds, except for a backup', () => {
    for (const { events } of plans) {
      const early = events.filter(({ at, device }) => at < 20_000 && device === 0);
      expect(early.filter(({ act }) => act !== 'backup' && act !== 'restore')).toEqual([]);
    }
  });

  it('has acts of the server for the server only, and acts of devices for existing devices only', () => {
    for (const { events, devices } of plans) {
      const strange = events.filter(({ act, device }) => {
        const isOfServer = act.startsWith('server') || act === 'backup' || act === 'restore';
        return isOfServer ? device !== 0 : !(Number.isSafeInteger(device) && device > 0 && device <= devices);
      });
      expect(strange).toEqual([]);
    }
  });

  it.each(undone)('undoes %s by %s within %i ms, or ends before', (act, undo, within) => {
    let count = 0;
    for (const { events, duration, theme } of plans) {
      // In some worlds a device is offline for longer than the retention period.
      const most = act === 'down' && theme === 'snapshots' ? 210_100 : within;
      for (const { at, device } of events.filter((each) => each.act === act)) {
        const after = events.filter((each) => each.act === undo && each.device === device);
        const isUndone = after.some((each) => each.at >= at + 99 && each.at <= at + most);
        if (!isUndone) expect(at + most).toBeGreaterThanOrEqual(duration);
        else count += 1;
      }
    }
    expect(count).toBeGreaterThan(20);
  });

  it('restores only after a backup', () => {
    for (const plan of plans) {
      const all = actsOf(plan).filter((act) => act === 'backup' || act === 'restore');
      const pairs = all.join(' ').replaceAll('backup restore', '').trim();
      expect(['', 'backup']).toContain(pairs);
    }
    const restored = plans.filter((plan) => actsOf(plan).includes('restore')).length;
    expect(restored).toBeGreaterThan(20);
    expect(restored).toBeLessThan(100);
  });

  it('has a retention period shorter than the calm at the end in half of all seeds, and a longer one in the others', () => {
    const quick = plans
      .filter(({ settings, theme }) => theme !== 'snapshots' && settings.retentionMs <= 60_000)
      .map(({ seed }) => seed);
    expect(quick).toEqual(seeds.filter((seed) => seed % 2 === 0 && plans[seed]!.theme !== 'snapshots'));
    expect(plans.every(({ settings: { retentionMs } }) => retentionMs === 60_000 || retentionMs > 24 * 3_600_000)).toBe(
      true,
    );
  });

  it('field report H-3: has one theme of thirteen, each as often as the others, and its settings', () => {
    const counts = new Map(themes.map((theme) => [theme, plans.filter((plan) => plan.theme === theme).length]));
    expect([...counts.values()].every((count) => count >= 15 && count <= 16)).toBe(true);
    for (const { theme, settings } of plans) {
      expect(isRealmName(settings.realm)).toBe(true);
      expect(settings).toMatchObject(themeSettings[theme].settings ?? {});
    }
    expect(plans.some(({ settings }) => settings.realm.length === limits.realmNameCharsMax)).toBe(true);
  });

  it('field report H-3: has more of the acts of its theme than other worlds have', () => {
    const share = (act: Act, theme: Theme): number => {
      const all = plans.filter((plan) => plan.theme === theme).flatMap(actsOf);
      return all.filter((each) => each === act).length / all.length;
    };
    const favoured: readonly (readonly [Theme, Act])[] = [
      ['rejections', 'rejectable'],
      ['tokens', 'renew'],
      ['users', 'discard'],
      ['clocks', 'jump'],
      ['crashes', 'killed'],
      ['connections', 'cut'],
    ];
    for (const [theme, act] of favoured) expect(share(act, theme)).toBeGreaterThan(2 * share(act, 'ordinary'));
  });

  it('field report H-3: has several events within a moment, and in some worlds most of the time', () => {
    const close = ({ events }: Plan): number => {
      const times = events.filter(({ device }) => device === 1).map(({ at }) => at);
      return times.filter((at, index) => index > 0 && at - times[index - 1]! <= 200).length / times.length;
    };
    const of = (theme: Theme): readonly number[] => plans.filter((plan) => plan.theme === theme).map(close);
    const mean = (all: readonly number[]): number => all.reduce((sum, each) => sum + each, 0) / all.length;
    expect(mean(of('races'))).toBeGreaterThan(0.3);
    expect(mean(of('ordinary'))).toBeGreaterThan(0.01);
  });

  it('gives each event a seed of its own for its random numbers', () => {
    for (const { events } of plans) {
      const drawn = events.map(({ seed }) => seed);
      expect(drawn.every((seed) => Number.isSafeInteger(seed) && seed >= 0 && seed < 2 ** 31)).toBe(true);
      expect(new Set(drawn).size).toBeGreaterThan(drawn.length - 3);
    }
  });

  it('has subscriptions only when its theme is asked for', () => {
    const subscribing = ['subscribe', 'subscribe again', 'unsubscribe', 'subscribe often'] satisfies Act[];
    expect(plans.flatMap(actsOf).filter((act) => subscribing.some((each) => each === act))).toEqual([]);
    expect(plans.every(({ settings }) => settings.partialDevices === 0)).toBe(true);
    const asked = seeds.slice(0, 8).map((seed) => planOf({ seed, ...options, theme: 'subscriptions' }));
    const found = new Set(asked.flatMap(actsOf));
    expect(subscribing.filter((act) => !found.has(act))).toEqual([]);
    expect(asked.every(({ settings }) => settings.partialDevices === 3)).toBe(true);
  });

  it('has tabs only when its theme is asked for', () => {
    const isOfTabs = ({ act, tab }: Plan['events'][number]): boolean =>
      tab !== undefined || / tab|freeze|hide/.test(act);
    expect(plans.flatMap(({ events }) => events.filter(isOfTabs))).toEqual([]);
    for (const seed of [1, 2, 3]) {
      const { events, settings, theme } = planOf({ seed, ...options, theme: 'tabs' });
      expect({ theme, tabsMax: settings.tabsMax }).toEqual({ theme: 'tabs', tabsMax: 3 });
      const found = new Set(events.map(({ act }) => act));
      const needed = ['open tab', 'close tab', 'crash tab', 'freeze', 'resume tab', 'hide', 'show'] satisfies Act[];
      expect(needed.filter((act) => !found.has(act))).toEqual([]);
      // In some moments the leader goes away while a follower writes.
      const losses = events.filter(({ act, tab }) => act !== 'write' && tab === 'leader');
      const isNear = (at: number): boolean =>
        events.some((each) => each.act === 'write' && each.tab === 'follower' && Math.abs(each.at - at) <= 40);
      expect(losses.filter(({ at }) => isNear(at)).length).toBeGreaterThan(5);
    }
  });
});
