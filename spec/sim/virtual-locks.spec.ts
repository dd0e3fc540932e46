import { createSeededRandom } from '../../lib/model/seeded-random.js';
import { createTestBrowser } from './virtual-tabs-kit.js';

const stolen = 'fails: Another tab has taken over the lock "leader".';

describe('a lock of a virtual browser', () => {
  it('has one holder, and goes to the next request in the order of requests', () => {
    const { browser, watch, at, play } = createTestBrowser();
    const tabs = [1, 2, 3].map(() => browser.openTab());
    const held = tabs.map(({ number, platform }) => watch(`tab ${number}`, platform.lock('leader', 'wait')));
    at(10, () => held[0]!.unsubscribe());
    at(20, () => held[1]!.unsubscribe());
    expect(play()).toEqual(['0 tab 1', '10 tab 2', '20 tab 3']);
    expect([...browser.lockHolders()]).toEqual([['leader', 3]]);
    expect([...browser.lockGrants()]).toEqual([['leader', 3]]);
  });

  it('is never granted synchronously', () => {
    const { browser, watch, events, play } = createTestBrowser();
    const tab = browser.openTab();
    const first = watch('first', tab.platform.lock('leader', 'wait'));
    watch('second', tab.platform.lock('leader', 'wait'));
    watch('thief', tab.platform.lock('other', 'steal'));
    expect(events).toEqual([]);
    expect(play()).toEqual(['0 first', '0 thief']);
    first.unsubscribe();
    expect(events).toEqual([]);
    expect(play()).toEqual(['0 second']);
  });

  it('is independent of locks with other names', () => {
    const { browser, watch, play } = createTestBrowser();
    const [one, two] = [browser.openTab(), browser.openTab()];
    watch('one', one.platform.lock('leader', 'wait'));
    watch('two', two.platform.lock('other', 'wait'));
    expect(play()).toEqual(['0 one', '0 two']);
    expect([...browser.lockHolders()]).toEqual([
      ['leader', 1],
      ['other', 2],
    ]);
  });

  it('is not granted to a request that was withdrawn', () => {
    const { browser, watch, play } = createTestBrowser();
    const tabs = [1, 2, 3].map(() => browser.openTab());
    const [first, second] = tabs.map(({ number, platform }) => watch(`tab ${number}`, platform.lock('leader', 'wait')));
    play();
    second!.unsubscribe();
    first!.unsubscribe();
    expect(play()).toEqual(['0 tab 3']);
  });

  it('is released at once when its tab closes', () => {
    const { browser, watch, at, play } = createTestBrowser();
    const [one, two] = [browser.openTab(), browser.openTab()];
    watch('one', one.platform.lock('leader', 'wait'));
    watch('again', one.platform.lock('leader', 'wait'));
    watch('two', two.platform.lock('leader', 'wait'));
    at(10, one.close);
    expect(play()).toEqual(['0 one', '10 two']);
    expect([...browser.lockGrants()]).toEqual([['leader', 2]]);
  });

  it('is released within 30 ms after its tab has crashed, whatever the dead code unsubscribes', () => {
    const delays = Array.from({ length: 200 }, (_, seed) => {
      const { browser, watch, at, time, play } = createTestBrowser({ random: createSeededRandom(seed) });
      const [one, two] = [browser.openTab(), browser.openTab()];
      const held = watch('one', one.platform.lock('leader', 'wait'));
      let grantedAt = 0;
      two.platform.lock('leader', 'wait').subscribe(() => (grantedAt = time.frame));
      at(10, () => {
        one.crash();
        held.unsubscribe();
      });
      play();
      return grantedAt - 10;
    });
    expect(Math.min(...delays)).toBe(0);
    expect(Math.max(...delays)).toBe(30);
  });

  it('is not released by freezing its tab', () => {
    const { browser, watch, at, play } = createTestBrowser();
    const [one, two] = [browser.openTab(), browser.openTab()];
    watch('one', one.platform.lock('leader', 'wait'));
    watch('two', two.platform.lock('leader', 'wait'));
    at(10, one.freeze);
    at(60_000, one.resume);
    expect(play()).toEqual(['0 one']);
    expect([...browser.lockHolders()]).toEqual([['leader', 1]]);
  });

  it('is taken by a thief at once, before all requests that wait, and its holder errors', () => {
    const { browser, watch, at, play } = createTestBrowser();
    const tabs = [1, 2, 3].map(() => browser.openTab());
    const [one, two, three] = tabs;
    const first = watch('one', one!.platform.lock('leader', 'wait'));
    watch('two', two!.platform.lock('leader', 'wait'));
    at(10, () => {
      const held = watch('three', three!.platform.lock('leader', 'steal'));
      expect(browser.lockHolders().get('leader')).toBe(3);
      at(20, () => first.unsubscribe());
      at(30, () => held.unsubscribe());
    });
    expect(play()).toEqual(['0 one', `10 one ${stolen}`, '10 three', '30 two']);
  });

  it('is shared by requests that share it, until one that does not: that waits for all, or takes it from all', () => {
    const { browser, watch, at, play } = createTestBrowser();
    const { platform } = browser.openTab();
    const shared = ['one', 'two'].map((name) => watch(name, platform.join$));
    at(10, () => watch('next', platform.lock('tidemark tasks', 'wait')));
    at(20, () => watch('behind', platform.join$));
    at(30, () => shared[0]!.unsubscribe());
    at(40, () => {
      const thief = watch('thief', platform.lock('tidemark tasks', 'steal'));
      at(50, () => thief.unsubscribe());
      at(60, () => watch('last', platform.join$));
    });
    const own = [watch('three', platform.join$)];
    const taken = 'fails: Another tab has taken over the lock "tidemark tasks".';
    expect(play()).toEqual([
      ...['0 one', '0 two', '0 three', `40 two ${taken}`, `40 three ${taken}`, '40 thief', '50 next'],
      ...['behind', 'last'].map(
        (name, at) => `${520 + at * 40} ${name} fails: The storage "tasks" is in use by another tab.`,
      ),
    ]);
    expect(own[0]!.closed).toBe(true);
  });

  it('is not granted to a request from which it was stolen first', () => {
    const { browser, watch, play } = createTestBrowser();
    const [one, two] = [browser.openTab(), browser.openTab()];
    watch('one', one.platform.lock('leader', 'wait'));
    watch('two', two.platform.lock('leader', 'steal'));
    expect(play()).toEqual([`0 one ${stolen}`, '0 two']);
  });

  it('notifies a frozen tab of a grant or a theft when the tab resumes', () => {
    const { browser, watch, at, play } = createTestBrowser();
    const [one, two] = [browser.openTab(), browser.openTab()];
    watch('stolen', one.platform.lock('leader', 'wait'));
    at(10, () => {
      watch('granted', one.platform.lock('other', 'wait'));
      one.freeze();
    });
    at(20, () => watch('two', two.platform.lock('leader', 'steal')));
    at(500, one.resume);
    expect(play()).toEqual(['0 stolen', '20 two', '500 granted', `500 stolen ${stolen}`]);
  });
});
