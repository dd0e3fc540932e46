import fc from 'fast-check';
import { createSeededRandom } from '../../lib/model/seeded-random.js';
import { createTestBrowser } from './virtual-tabs-kit.js';

describe('a channel of a virtual browser', () => {
  it('reaches every other end of its name, also in the same tab, and never the sender or another name', () => {
    const { browser, note, play } = createTestBrowser();
    const [one, two] = [browser.openTab(), browser.openTab()];
    const open = (tab: typeof one, name: string, label: string) =>
      tab.platform.openChannel(name, (message) => note(`${label} receives ${String(message)}`));
    const sender = open(one, 'requests', 'sender');
    open(one, 'requests', 'same tab');
    open(two, 'requests', 'other tab');
    open(two, 'answers', 'other name');
    sender.post('hello');
    expect(play()).toEqual(['1 same tab receives hello', '1 other tab receives hello']);
    expect([...browser.messagesPosted()]).toEqual([['requests', 1]]);
  });

  it('delivers asynchronously, even without latency', () => {
    const { browser, note, events, play } = createTestBrowser({ latency: () => 0 });
    const tab = browser.openTab();
    tab.platform.openChannel('a', () => note('received'));
    tab.platform.openChannel('a', () => undefined).post(1);
    expect(events).toEqual([]);
    expect(play()).toEqual(['0 received']);
  });

  it('delivers within 2 ms, by the numbers that are drawn', () => {
    const times = new Set<number>();
    const random = createSeededRandom(1);
    for (let one = 0; one < 50; one += 1) {
      const { browser, time, play } = createTestBrowser({ random, latency: 'drawn' });
      const tab = browser.openTab();
      tab.platform.openChannel('a', () => times.add(time.frame));
      tab.platform.openChannel('a', () => undefined).post(1);
      play();
    }
    expect([...times].sort()).toEqual([0, 1, 2]);
  });

  it('keeps the order of each sender, whatever the latencies', () => {
    const posts = fc.array(fc.record({ at: fc.nat(6), tab: fc.nat(1), latency: fc.nat(2) }), { maxLength: 30 });
    fc.assert(
      fc.property(posts, fc.array(fc.nat(8), { maxLength: 3 }), (all, freezes) => {
        const drawn = [...all].sort((a, b) => a.at - b.at).map(({ latency }) => latency);
        const { browser, at, play } = createTestBrowser({ latency: () => drawn.shift() ?? 0 });
        const senders = [browser.openTab(), browser.openTab()].map(({ platform }) =>
          platform.openChannel('a', () => undefined),
        );
        senders[1]!.close();
        const other = browser.openTab().platform.openChannel('a', () => undefined);
        const receiver = browser.openTab();
        const received: [number, number][] = [];
        receiver.platform.openChannel('a', (message) => received.push(message as [number, number]));
        for (const [index, { at: ms, tab }] of all.entries())
          at(ms, () => (tab === 0 ? senders[0]! : other).post([tab, index]));
        for (const ms of freezes) {
          at(ms, receiver.freeze);
          at(ms + 3, receiver.resume);
        }
        play();
        for (const tab of [0, 1]) {
          const sent = [...all.entries()].sort(([, a], [, b]) => a.at - b.at).filter(([, each]) => each.tab === tab);
          expect(received.filter(([from]) => from === tab).map(([, index]) => index)).toEqual(sent.map(([i]) => i));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('sends a copy of bytes to each end, as they were when they were posted', () => {
    const { browser, play } = createTestBrowser();
    const received: Uint8Array[] = [];
    for (let one = 0; one < 2; one += 1)
      browser.openTab().platform.openChannel('a', (message) => received.push(message as Uint8Array));
    const bytes = Uint8Array.of(1, 2);
    browser
      .openTab()
      .platform.openChannel('a', () => undefined)
      .post(bytes);
    bytes[0] = 9;
    play();
    received[0]![1] = 7;
    expect(received).toEqual([Uint8Array.of(1, 7), Uint8Array.of(1, 2)]);
  });

  it('throws for a message with a function, even if no other end is open', () => {
    const { browser } = createTestBrowser();
    const channel = browser.openTab().platform.openChannel('a', () => undefined);
    expect(() => channel.post({ act: () => undefined })).toThrow(/could not be cloned/);
  });

  it('neither sends nor receives after it was closed', () => {
    const { browser, note, play } = createTestBrowser();
    const [one, two] = [browser.openTab(), browser.openTab()];
    const ends = [one, two].map((tab) => tab.platform.openChannel('a', () => note(`${tab.number} received`)));
    ends[0]!.post('in flight');
    ends[1]!.close();
    ends[1]!.post('too late');
    expect(play()).toEqual([]);
  });

  it('delivers to a frozen tab when it resumes, in order, and never to a tab that has ended', () => {
    const { browser, note, at, play } = createTestBrowser();
    const [sender, frozen, crashed, closed] = [1, 2, 3, 4].map(() => browser.openTab());
    for (const tab of [frozen!, crashed!, closed!])
      tab.platform.openChannel('a', (message) => note(`${tab.number} receives ${String(message)}`));
    const channel = sender!.platform.openChannel('a', () => undefined);
    [1, 2, 3].forEach(channel.post);
    frozen!.freeze();
    crashed!.crash();
    closed!.close();
    at(100, () => channel.post(4));
    at(200, frozen!.resume);
    expect(play()).toEqual(['200 2 receives 1', '200 2 receives 2', '200 2 receives 3', '200 2 receives 4']);
  });

  it('delivers what a tab has posted before it ended, and nothing later', () => {
    for (const how of ['close', 'crash'] as const) {
      const { browser, note, play } = createTestBrowser();
      const [sender, receiver] = [browser.openTab(), browser.openTab()];
      receiver.platform.openChannel('a', (message) => note(String(message)));
      const channel = sender.platform.openChannel('a', () => undefined);
      sender.platform.page$.subscribe((state) => channel.post(state));
      sender[how]();
      channel.post('dead');
      sender.platform.openChannel('a', () => undefined).post('dead');
      expect(play()).toEqual(['1 visible', ...(how === 'close' ? ['1 leaving'] : [])]);
    }
  });
});
