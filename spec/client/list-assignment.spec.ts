import { of } from 'rxjs';
import { memoryStorage, openRealm, systemClock, type Realm } from '../../lib/index.js';
import { open } from './test-kit.js';
import { waitForValue } from '../wait-for.js';

const schema = {
  Page: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      steps: 'string[]',
      tags: { type: 'string[]', default: () => ['a'] },
      notes: 'mixed[]',
    },
  },
} as const;

const synced = async (server: ReturnType<typeof open.server>) => {
  const client = open.client({ dial: of(server.wire) });
  const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'pages' } });
  if (realm.syncSession._tag === 'None') throw new Error('no session');
  return { realm, session: realm.syncSession.value };
};

type Device = Awaited<ReturnType<typeof synced>>;

const settle = async (devices: readonly Device[]): Promise<void> => {
  for (const { session } of devices) await waitForValue(session.uploadComplete$, 'uploadComplete$');
  for (const { session } of devices) await waitForValue(session.downloadComplete$, 'downloadComplete$');
};

const nextMillisecond = async (): Promise<void> => {
  const now = systemClock.now();
  while (systemClock.now() < now + 1) await new Promise((resolve) => setImmediate(resolve));
};

/** Creates two devices with the same page. Each changes it offline, and both then show the merged list. */
const apart = async (
  begin: readonly string[],
  ...changes: readonly ((realm: Realm<typeof schema>) => Promise<unknown>)[]
) => {
  const server = open.server();
  const devices = [await synced(server), await synced(server)] as const;
  await devices[0].realm.write((tx) => tx.create('Page', { id: 'p', steps: [...begin] }));
  await settle(devices);
  for (const { session } of devices) session.pause();
  for (const [at, change] of changes.entries()) {
    await change(devices[at]!.realm);
    await nextMillisecond(); // The next write has a later stamp.
  }
  for (const { session } of devices) session.resume();
  await settle(devices);
  const [first, second] = devices.map(({ realm }) => realm.get('Page', 'p')?.steps ?? []);
  expect(second).toEqual(first);
  return first!;
};

const assign =
  (...steps: readonly string[]) =>
  (realm: Realm<typeof schema>) =>
    realm.write((tx) => {
      tx.update('Page', 'p', { steps: [...steps] });
      expect(tx.get('Page', 'p')?.steps).toEqual(steps);
    });

describe('a list that is assigned as a whole', () => {
  it('field report C-4: reordered on two devices it has each element once', async () => {
    const both = await apart(['a', 'b', 'c', 'd'], assign('d', 'a', 'b', 'c'), assign('b', 'a', 'd', 'c'));
    expect([...both].sort()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('field report C-4: reordered here and edited there it has the edit', async () => {
    const edited = await apart(['a', 'b', 'c'], assign('c', 'b', 'a'), (realm) =>
      realm.write((tx) => tx.list('Page', 'p', 'steps').set(0, 'A')),
    );
    expect(edited).toEqual(['c', 'b', 'A']);
    const removed = await apart(['a', 'b', 'c'], assign('c', 'b', 'a'), assign('b', 'c'));
    expect([...removed].sort()).toEqual(['b', 'c']);
  });

  it('field report C-4: sorted on one device while the other one sorts and adds, nothing doubles', async () => {
    const both = await apart(['c', 'a', 'b'], assign('a', 'b', 'c'), assign('a', 'b', 'c', 'd'));
    expect(both).toEqual(['a', 'b', 'c', 'd']);
  });

  it('takes equal values for as many elements as there are', async () => {
    const both = await apart(['x', 'x', 'y', 'x'], assign('y', 'x', 'x', 'x'), assign('x', 'x', 'x', 'y'));
    expect([...both].sort()).toEqual(['x', 'x', 'x', 'y']);
  });

  it('equals the assigned list, whatever its previous elements', async () => {
    const { realm } = await synced(open.server());
    const values = [
      [],
      ['a'],
      [1, '1', null, true, { a: [1] }, { a: [1] }],
      [{ a: [1] }, null, 1, 1, '1'],
      [null, null],
    ];
    await realm.write((tx) => tx.create('Page', { id: 'p', steps: [] }));
    for (const from of values) {
      for (const to of values) {
        await realm.write((tx) => tx.update('Page', 'p', { notes: from }));
        await realm.write((tx) => tx.update('Page', 'p', { notes: to }));
        expect(realm.get('Page', 'p')?.notes).toEqual(to);
      }
    }
  });

  it('field report C-4: reversed at its full length it is written in about a second', async () => {
    const { realm } = await synced(open.server());
    const steps = Array.from({ length: 20_000 }, (_, at) => `step ${at}`);
    await realm.write((tx) => tx.create('Page', { id: 'p', steps }));
    const since = performance.now();
    await realm.write((tx) => tx.update('Page', 'p', { steps: steps.toReversed() }));
    await realm.write((tx) => tx.update('Page', 'p', { steps: [...steps.slice(10_000), ...steps.slice(0, 10_000)] }));
    expect(performance.now() - since).toBeLessThan(6_000);
    expect(realm.get('Page', 'p')?.steps[0]).toBe('step 10000');
  });
});

describe('the initial elements of a new object', () => {
  const created = async (...changes: readonly ((realm: Realm<typeof schema>) => Promise<unknown>)[]) => {
    const server = open.server();
    const devices = [await synced(server), await synced(server), await synced(server)];
    for (const { session } of devices) session.pause();
    for (const [at, change] of changes.entries()) {
      await change(devices[at]!.realm);
      await nextMillisecond(); // The next write has a later stamp.
    }
    for (const { session } of devices) session.resume();
    await settle(devices);
    await settle(devices);
    const [first, ...others] = devices.map(({ realm }) => realm.get('Page', 'p')?.tags);
    for (const other of others) expect(other).toEqual(first);
    return first;
  };
  const create = (tags?: readonly string[]) => (realm: Realm<typeof schema>) =>
    realm.write((tx) => tx.create('Page', { id: 'p', steps: [], ...(tags && { tags: [...tags] }) }));

  it('field report C-4: exist once when two devices create the same object', async () => {
    expect(await created(create(), create())).toEqual(['a']);
    expect(await created(create(), create(), create())).toEqual(['a']);
  });

  it('field report C-4: are replaced by those of a later create, which keeps elements that were added', async () => {
    expect(await created(create(), create(['b']))).toEqual(['b']);
    const added = async (realm: Realm<typeof schema>) => {
      await create()(realm);
      await realm.write((tx) => tx.list('Page', 'p', 'tags').push('b'));
    };
    expect([...((await created(added, create())) ?? [])].sort()).toEqual(['a', 'b']);
  });
});
