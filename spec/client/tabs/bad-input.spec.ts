import { createTabWorld, idsOf, schema } from './tab-world.js';

/** Opens a first tab, and then a second one with other options. */
const openSecond = async (
  first: Parameters<ReturnType<typeof createTabWorld>['openTab']>[0],
  second: Parameters<ReturnType<typeof createTabWorld>['openTab']>[0],
) => {
  const world = createTabWorld();
  const one = world.openTab(first);
  await world.run(100);
  one.add('a');
  await world.run(100);
  const two = world.openTab(second);
  await world.run(1_500);
  one.add('b');
  await world.run(100);
  expect(one.outcomes).toEqual(new Map([...['a', 'b'].map((id) => [id, 'stored'] as const)]));
  expect(one.realm().session.connectionState).toBe('connected');
  return { world, one, two };
};

const outbox = { written: 0, acknowledged: 0, acknowledgedBytes: 0, changesets: 0, bytes: 0 };
const otherSchema = { Task: { ...schema.Task, properties: { ...schema.Task.properties, done: 'int' } } } as never;

describe('a second tab that does not fit the first one', () => {
  it('gets an error that names the difference of the schema, and what to do', async () => {
    const { two } = await openSecond({}, { realm: { schema: otherSchema } });
    expect(two.error()).toMatchObject({
      code: 'invalid-argument',
      argument: 'schema.Task.done',
      message:
        'The realm is open already, and its schema.Task.done is bool, not int. Another tab has opened the realm differently: reload the tab that has the older version of the app.',
    });
  });

  it('gets an error for another realm name and for other options', async () => {
    const { two } = await openSecond({}, { realmName: 'other' });
    expect(two.error()).toMatchObject({ code: 'wrong-realm', stored: 'tasks', requested: 'other' });
    const { two: three } = await openSecond({}, { sync: { clientReset: 'manual' } });
    expect(three.error()).toMatchObject({ code: 'invalid-argument', argument: 'sync.clientReset' });
  });

  it('gets an error for another user', async () => {
    const { two } = await openSecond({ client: { user: 'ann' } }, { client: { user: 'bob' } });
    expect(two.error()).toMatchObject({ code: 'other-user' });
  });

  it('gets it also when the first tab is closed while it sends its objects', async () => {
    const hasOpened: boolean[] = [];
    for (let seed = 1; seed < 20; seed += 1) {
      const world = createTabWorld(seed);
      const ann = world.openTab({ client: { user: 'ann' } });
      await world.run(100);
      ann.add('a');
      await world.run(100);
      const bob = world.openTab({ client: { user: 'bob' } });
      await world.run(seed % 6);
      ann.tab.close();
      await world.run(500);
      expect(bob.error()).toMatchObject({ code: 'other-user' });
      hasOpened.push(bob.isOpen());
    }
    expect(hasOpened).not.toContain(true);
  });

  it('may open the realm of another user to read it', async () => {
    const ann = { client: { user: 'ann' }, sync: { otherUser: 'read' } } as const;
    const { two } = await openSecond(ann, { ...ann, client: { user: 'bob' } });
    expect(idsOf(two.realm())).toEqual(['a', 'b']);
    await expect(two.realm().write((tx) => tx.delete('Task', 'a'))).rejects.toMatchObject({ code: 'other-user' });
  });

  it('can lead with its own schema when the other tabs are gone, and gives them its error when they come back', async () => {
    const { world, one } = await openSecond({}, { realm: { schema: otherSchema } });
    one.tab.freeze();
    await world.run(100);
    const newer = world.openTab({ realm: { schema: otherSchema } });
    await world.run(300);
    expect(newer.isOpen()).toBe(true);
    const errors: unknown[] = [];
    one.realm().session.errors$.subscribe((error) => errors.push(error));
    one.tab.resume();
    await world.run(5_000);
    expect(errors).toEqual([expect.objectContaining({ code: 'storage' })]);
    expect(idsOf(one.realm())).toEqual(['a', 'b']);
    newer.tab.close();
    await world.run(2_500);
    one.add('c');
    await world.run(100);
    expect(one.outcomes.get('c')).toBe('stored');
    expect(one.realm().session.connectionState).toBe('connected');
  });
});

/** Opens a tab with another schema while the first tab is frozen, and returns to the first one, which then follows. */
const openMisfit = async () => {
  const world = createTabWorld();
  const one = world.openTab();
  await world.run(100);
  one.tab.freeze();
  const two = world.openTab({ realm: { schema: otherSchema } });
  await world.run(500);
  one.tab.resume();
  await world.run(1_000);
  return { world, one, two };
};

describe('a tab that came back and does not fit the leader', () => {
  it('closes the realm within some seconds, and rejects the writes that were not stored', async () => {
    const { world, one } = await openMisfit();
    one.add('late');
    one.closeRealm();
    await world.run(9_000);
    expect(one.outcomes.get('late')).toBe('pending');
    await world.run(2_000);
    expect(String(one.outcomes.get('late'))).toContain('closed');
  });

  it('costs the other tabs nothing', async () => {
    const { world } = await openMisfit();
    world.openTab({ realm: { schema: otherSchema } });
    await world.run(1_000);
    const postedBefore = new Map(world.browser.messagesPosted());
    await world.run(20_000);
    const posted = [...world.browser.messagesPosted()].map(([name, all]) => all - (postedBefore.get(name) ?? 0));
    expect(Math.max(...posted)).toBeLessThan(200); // Four pings a second, and their answers.
  });

  it('does not take the lead before one that fits the others', async () => {
    const { world, one, two } = await openMisfit();
    const three = world.openTab({ realm: { schema: otherSchema } });
    await world.run(1_500);
    two.tab.close();
    await world.run(500);
    expect(three.realm().session.syncState).toBe('active');
    three.tab.close();
    await world.run(2_500);
    expect(one.realm().session.connectionState).toBe('connected');
  });

  it('follows the next leader that fits it', async () => {
    const { world, one, two } = await openMisfit();
    two.tab.freeze();
    const three = world.openTab();
    await world.run(2_000);
    expect([one, three].map((app) => app.realm().session.connectionState)).toEqual(['connected', 'connected']);
    two.tab.close();
  });
});

describe('a leader whose records are invalid', () => {
  it('is asked for them twice, and then the tab gets a StorageError', async () => {
    const world = createTabWorld();
    const { platform } = world.browser.openTab();
    platform.lock('lead', 'wait').subscribe();
    const plan = { version: 1, schema, schemaVersion: 0, sync: null };
    let asked = 0;
    const common = platform.openChannel('all', (message) => {
      const { type, tab } = message as { readonly type: string; readonly tab: string };
      if (type === 'ping') common.post({ type: 'leading', tab: 'x', isReady: true, isHidden: false });
      if (type !== 'hello') return;
      asked += 1;
      const records = [{ type: 'put', key: 'o/Task/sx', value: new Uint8Array([1, 2, 3]) }];
      const own = platform.openChannel(`tab ${tab}`, () => undefined);
      own.post({ type: 'page', leader: 'x', records, isFirst: true, areChecked: true });
      own.post({
        ...{ type: 'welcome', leader: 'x', plan, isReset: true, stamp: null },
        changes: [],
        outbox,
        answer: null,
        session: null,
      });
    });
    const app = world.openTab({ isLocal: true });
    await world.run(3_000);
    expect([asked, app.error()]).toEqual([2, expect.objectContaining({ code: 'storage' })]);
  });
});

describe('messages of other scripts', () => {
  const bytes = new Uint8Array([1, 2, 3]);
  const changes = [{ type: 'put', key: 'o/Task/sx', value: bytes }];
  const session = { state: { sync: 'toString' }, upTo: 0, errors: [{}] };
  const messages: readonly unknown[] = [
    ...[null, 7, 'leading', [], {}, { type: 7 }, { type: 'toString' }, { type: '__proto__' }, new Map(), bytes],
    ...[
      { type: 'hello' },
      { type: 'hello', tab: 7, stamp: null },
      { type: 'hello', tab: 'x'.repeat(1_000), stamp: null },
    ],
    ...[
      { type: 'leading', tab: 'x', isReady: true, isHidden: false },
      { type: 'yield', tab: 'x', to: 'y' },
    ],
    ...[
      { type: 'ping', tab: 'x', isFollowing: true },
      { type: 'writes', number: 1, writes: [{}] },
      { type: 'bye' },
      { type: 'claim' },
    ],
    {
      type: 'writes',
      number: 9,
      writes: [{ method: 'steal', rejected: 0, replica: '', time: 0, count: 0, body: bytes }],
    },
    { type: 'event', number: 1, event: { type: 'fatal' } },
    { type: 'event', number: 1, event: { type: 'input', input: 'explode' } },
    { type: 'call', number: 1, method: 'toString' },
    { type: 'page', records: [{ key: 7 }] },
    { type: 'page', records: changes },
    { type: 'update', changes, outbox, answer: null, session: null },
    { type: 'update', changes: [], outbox, answer: { number: 1, answers: [] }, session },
    { type: 'result', number: 3, error: { name: 'constructor' } },
  ];

  it('change nothing: no tab fails, no write is lost, and the tabs stay equal', async () => {
    const world = createTabWorld();
    const one = world.openTab();
    await world.run(100);
    const two = world.openTab();
    await world.run(100);
    const names = [...world.browser.messagesPosted().keys()];
    const foreign = world.browser.openTab();
    const channels = names.map((name) => foreign.platform.openChannel(name, () => undefined));
    for (const [at, message] of messages.entries()) {
      for (const channel of channels) channel.post(message);
      one.add(`one ${at}`);
      two.add(`two ${at}`);
      await world.run(30);
    }
    await world.run(2_000);
    expect([...one.outcomes, ...two.outcomes].filter(([, outcome]) => outcome !== 'stored')).toEqual([]);
    expect(idsOf(two.realm())).toEqual(idsOf(one.realm()));
    expect(idsOf(one.realm())).toHaveLength(2 * messages.length);
    expect([one, two].map((app) => app.realm().session.connectionState)).toEqual(['connected', 'connected']);
  });
});
