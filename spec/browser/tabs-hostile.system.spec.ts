import { storageErrorWith } from './storage-error.js';
import { leaderOf, runWithTabs, type Tab, waitForCall, waitForIds, waitUntilSynced } from './tabs-kit.js';

const kit = runWithTabs();
afterEach(() => kit.closeAll());

const bytes = { type: 'put', key: 'b/Task/0', value: Uint8Array.of(1, 2, 3) };
const emptyOutbox = { written: 0, acknowledged: 0, acknowledgedBytes: 0, changesets: 0, bytes: 0 };
const hugeOutbox = { written: 2 ** 40, acknowledged: 1, acknowledgedBytes: 1, changesets: 2 ** 40, bytes: 2 ** 40 };
const noNews = { changes: [], outbox: emptyOutbox, answer: null, session: null };
const plan = { version: 1, schema: {}, schemaVersion: 0, sync: null };
const welcome = { type: 'welcome', ...noNews, leader: 'evil', plan, isReset: true, stamp: null, areChecked: true };
const write = { method: 'write', rejected: 0, replica: 'evil', time: 1, count: 0, body: Uint8Array.of(1, 2, 3) };

/** Types of events of a session: a script may send them without their fields. */
const eventTypes = [
  ...['input', 'closed', 'markWanted', 'outbox', 'connection', 'bound', 'accepted', 'sent', 'stalled', 'reset'],
  ...['rejected', 'downloaded', 'collected', 'marked', 'trouble', 'fatal', 'nonsense', 'toString', '__proto__'],
];

/** Messages that pass for those of tabs. */
const forgedForAll = (tabs: readonly string[]): readonly unknown[] => [
  { type: 'leading', tab: 'evil', isReady: true, isHidden: false },
  { type: 'leading', tab: 'evil', isReady: false, isHidden: true },
  { type: 'hello', tab: 'evil', stamp: null },
  { type: 'ping', tab: 'evil' },
  ...tabs.flatMap((tab) => [
    { type: 'hello', tab, stamp: null },
    { type: 'hello', tab, stamp: Uint8Array.of(1) },
    { type: 'leading', tab, isReady: true, isHidden: true },
    { type: 'yield', tab: 'evil', to: tab },
  ]),
];

const forgedForOne: readonly (readonly object[])[] = [
  [{ type: 'bye' }],
  [{ type: 'claim' }],
  [{ type: 'writes', number: 0, writes: [write] }],
  [{ type: 'writes', number: 0, writes: [{ ...write, body: null }] }],
  [{ type: 'writes', number: 2 ** 40, writes: [write, { ...write, method: 'retry' }, { ...write, method: 'none' }] }],
  [{ type: 'call', number: 9, method: 'nothing' }],
  [{ type: 'result', number: 9, error: { name: 'evil' } }],
  [{ type: 'update', ...noNews, changes: [bytes] }],
  [{ type: 'update', ...noNews, changes: [{ type: 'put', key: 'm', value: Uint8Array.of(0xc1) }] }],
  [{ type: 'update', ...noNews, outbox: hugeOutbox }],
  [{ type: 'update', ...noNews, answer: { number: 2 ** 40, answers: [{ version: 1, time: 1, count: 1 }] } }],
  [{ type: 'update', ...noNews, session: { state: { sync: 'active' }, upTo: 2 ** 40, errors: [{}] } }],
  [welcome],
  [{ type: 'page', records: [bytes, bytes] }, welcome],
  [{ type: 'page', records: Array.from({ length: 50_000 }, (_, at) => ({ type: 'del', key: `b/${at}` })) }],
  ...eventTypes.map((type) => [{ type: 'event', number: 2 ** 40, event: { type, input: 'nothing' } }]),
];

/** Opens two tabs and a page without a realm, whose scripts are hostile. */
const openWithForger = async (storage: string) => {
  const tabs = await kit.openTabs(storage, 2);
  const leader = await leaderOf(tabs, storage);
  const forger = await kit.openPage();
  return { tabs, leader, follower: tabs.find((tab) => tab !== leader)!, forger };
};

/** Checks that all writes are there, and that tabs which are opened again are equal. */
const expectAll = async (storage: string, tabs: readonly Tab[], ids: readonly string[]): Promise<void> => {
  for (const tab of tabs) {
    expect(tab.errors).toEqual([]);
    await tab.opened.reload();
    await waitForCall(tab, 'isOpen', (isOpen) => !isOpen);
    expect(await kit.open(tab, storage)).toBe('done');
  }
  for (const tab of tabs) {
    await waitForIds(tab, ...ids);
    await waitUntilSynced(tab);
    expect(await tab.call('count')).toBe(ids.length);
  }
  expect(await kit.site().read(storage)).toEqual({ ids: [...ids].sort(), count: ids.length });
};

describe('a foreign script on the channels of the tabs', () => {
  it('harms nothing with values that are not messages', async () => {
    const storage = 'garbage';
    const { tabs, forger } = await openWithForger(storage);
    const purposes = ['all', ...(await forger.call('tabIds', storage)).map((tab) => `tab ${tab}`)];
    expect(purposes.length).toBe(3);
    const ids: string[] = [];
    for (const purpose of purposes) {
      await forger.call('postGarbage', storage, purpose);
      for (const [at, tab] of tabs.entries()) {
        ids.push(`${purposes.indexOf(purpose)} of ${at}`);
        expect(await tab.call('write', ids.at(-1)!)).toBe('done');
      }
    }
    for (const tab of tabs) await waitForIds(tab, ...ids); // Also without a reload.
    await expectAll(storage, tabs, ids);
  }, 60_000);

  it('loses no stored write with forged messages, and tabs that are opened again are equal', async () => {
    const storage = 'forged';
    const { tabs, forger } = await openWithForger(storage);
    const tabIds = await forger.call('tabIds', storage);
    const attacks = [
      ...forgedForAll(tabIds).map((message) => ({ purposes: ['all'], messages: [message] })),
      ...forgedForOne.map((given) => ({
        purposes: tabIds.map((tab) => `tab ${tab}`),
        messages: tabIds.flatMap((leader) => given.map((message) => ({ leader, ...message }))),
      })),
    ];
    const ids: string[] = [];
    for (const [at, { purposes, messages }] of attacks.entries()) {
      const names = tabs.map((_, of) => `attack ${at} of ${of}`);
      const writes = tabs.map((tab, of) => tab.call('write', names[of]!));
      for (const purpose of purposes) await forger.call('post', storage, purpose, messages);
      for (const [of, outcome] of (await Promise.all(writes)).entries()) {
        // A forged `yield` makes a tab take the lead from a leader that is storing a write.
        if (outcome === 'done') ids.push(names[of]!);
        else expect([messages, outcome]).toEqual([messages, storageErrorWith('another tab has taken it over')]);
      }
      for (const tab of tabs) expect([messages, tab.errors]).toEqual([messages, []]);
    }
    await expectAll(storage, tabs, ids);
  }, 120_000);
});
