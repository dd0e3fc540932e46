import { interval, map, merge, of, take, timer } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { memoryStorage } from '../../lib/index.js';
import { createVirtualBrowser } from '../../sim/virtual-tabs.js';
import { createTestBrowser } from './virtual-tabs-kit.js';

describe('the clock of a virtual tab', () => {
  it('runs timers in virtual time', () => {
    const { browser, watch, play } = createTestBrowser();
    const { scheduler } = browser.openTab().clock;
    watch('timer', merge(timer(5, scheduler), interval(10, scheduler).pipe(take(3))));
    expect(play()).toEqual(['5 timer 0', '10 timer 0', '20 timer 1', '30 timer 2', '30 timer completes']);
  });

  it('lets timers of a frozen tab fire when it resumes, in the order in which they came due, and repeated ones go on', () => {
    const { browser, watch, at, play } = createTestBrowser();
    const tab = browser.openTab();
    const { scheduler } = tab.clock;
    watch('late', timer(40, scheduler));
    watch('early', timer(30, scheduler));
    watch('repeated', interval(35, scheduler).pipe(take(2)));
    watch('after', timer(205, scheduler));
    at(10, tab.freeze);
    at(200, tab.resume);
    expect(play()).toEqual([
      ...['200 early 0', '200 early completes', '200 repeated 0', '200 late 0', '200 late completes'],
      ...['205 after 0', '205 after completes', '235 repeated 1', '235 repeated completes'],
    ]);
  });

  it('does not run a timer that was cancelled while the tab was frozen, or by work before it', () => {
    const { browser, at, note, play } = createTestBrowser();
    const tab = browser.openTab();
    const { scheduler } = tab.clock;
    const cancelled = [20, 31].map((ms) => scheduler.schedule(() => note(`timer ${ms}`), ms));
    scheduler.schedule(() => {
      note('cancels');
      cancelled[1]!.unsubscribe();
    }, 30);
    at(10, tab.freeze);
    at(40, () => cancelled[0]!.unsubscribe());
    at(50, tab.resume);
    expect(play()).toEqual(['50 cancels']);
  });

  it('keeps waiting work when the tab is frozen again before all of it has run', () => {
    const { browser, at, note, play } = createTestBrowser();
    const tab = browser.openTab();
    const { scheduler } = tab.clock;
    scheduler.schedule(() => {
      note('first');
      tab.freeze();
    }, 20);
    scheduler.schedule(() => note('second'), 21);
    at(10, tab.freeze);
    at(50, tab.resume);
    at(90, tab.resume);
    at(90, () => scheduler.schedule(() => note('third')));
    expect(play()).toEqual(['50 first', '90 second', '90 third']);
  });

  it('runs nothing after the tab has ended, also what waited', () => {
    for (const how of ['close', 'crash'] as const) {
      const { browser, watch, at, play } = createTestBrowser();
      const [running, frozen] = [browser.openTab(), browser.openTab()];
      for (const tab of [running, frozen]) watch('timer', timer(50, tab.clock.scheduler));
      at(10, frozen.freeze);
      at(20, running[how]);
      at(60, frozen[how]);
      at(70, frozen.resume);
      at(80, () => watch('dead', timer(1, running.clock.scheduler)));
      expect(play()).toEqual([]);
      expect([running, frozen].map((tab) => [tab.isEnded(), tab.isFrozen()])).toEqual([
        [true, false],
        [true, false],
      ]);
      expect(browser.tabs()).toEqual([]);
    }
  });

  it('also runs in the virtual time of a marble test', () => {
    const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    scheduler.run(({ cold, expectObservable }) => {
      const storage = () => of(memoryStorage());
      const browser = createVirtualBrowser({ scheduler, random: () => 0, name: 'tasks', storage });
      const tab = browser.openTab();
      cold('---f------r').subscribe((act) => (act === 'f' ? tab.freeze() : tab.resume()));
      expectObservable(timer(5, tab.clock.scheduler).pipe(map(() => 't'))).toBe('----------(t|)');
      expectObservable(tab.platform.page$).toBe('v--l------v', { v: 'visible', l: 'leaving' });
    });
  });

  it('draws other random numbers in each tab, and knows the time while the tab is frozen', () => {
    const { browser, time, play, at } = createTestBrowser({ random: () => 0 });
    const [one, two] = [browser.openTab(), browser.openTab()];
    expect(one.clock.random()).not.toBe(two.clock.random());
    one.freeze();
    at(70, () => undefined);
    play();
    expect([one.clock.now(), one.clock.scheduler.now(), time.frame]).toEqual([70, 70, 70]);
  });
});

describe('the page of a virtual tab', () => {
  it('is visible or hidden at first, and emits each change once', () => {
    const { browser, watch, at, play } = createTestBrowser();
    const [shown, hidden] = [browser.openTab(), browser.openTab({ hidden: true })];
    watch('shown', shown.platform.page$);
    watch('hidden', hidden.platform.page$);
    at(10, shown.hide);
    at(11, shown.hide);
    at(20, hidden.show);
    at(30, shown.show);
    expect(play()).toEqual([
      '0 shown visible',
      '0 hidden hidden',
      '10 shown hidden',
      '20 hidden visible',
      '30 shown visible',
    ]);
  });

  it.each([
    ['freeze', 'resume'],
    ['cache', 'restore'],
  ] as const)(
    'leaves synchronously at %s, and emits its present state at %s, before all waiting work',
    (end, begin) => {
      const { browser, watch, events, at, note, play } = createTestBrowser();
      const tab = browser.openTab();
      watch('page', tab.platform.page$, (state) => `${state}${tab.isFrozen() ? ' while frozen' : ''}`);
      tab.clock.scheduler.schedule(() => note('timer'), 5);
      tab[end]();
      tab[end]();
      expect(events).toEqual(['0 page visible', '0 page leaving']);
      at(10, tab.hide);
      at(20, tab[begin]);
      at(21, tab[begin]);
      expect(play().slice(2)).toEqual(['20 page hidden', '20 timer']);
    },
  );

  it('emits nothing when it is suspended, and its present state when it resumes only if that has changed', () => {
    const { browser, watch, at, note, play } = createTestBrowser();
    const [same, hidden] = [browser.openTab(), browser.openTab()];
    for (const tab of [same, hidden]) watch(`page ${tab.number}`, tab.platform.page$);
    same.clock.scheduler.schedule(() => note('timer'), 5);
    at(1, same.suspend);
    at(2, hidden.suspend);
    at(10, hidden.hide);
    at(20, same.resume);
    at(30, hidden.resume);
    expect(play()).toEqual(['0 page 1 visible', '0 page 2 visible', '20 timer', '30 page 2 hidden']);
  });

  it('leaves synchronously when it is closed, while its channels still work, and emits nothing when it crashes', () => {
    const { browser, watch, events } = createTestBrowser();
    const [closed, crashed, frozen] = [1, 2, 3].map(() => browser.openTab());
    for (const tab of [closed!, crashed!, frozen!]) watch(String(tab.number), tab.platform.page$);
    frozen!.freeze();
    events.length = 0;
    frozen!.close();
    crashed!.crash();
    crashed!.close();
    closed!.close();
    closed!.hide();
    watch('dead', closed!.platform.page$);
    expect(events).toEqual(['0 1 leaving']);
  });
});
