import { firstValueFrom, toArray } from 'rxjs';
import { memoryStorage } from '../../lib/index.js';
import {
  copyStorage,
  type Disk,
  readContents,
  addLog,
  contentsOf,
  restoreStorage,
  type RunningDevice,
  createServer,
  startDevice,
  waitUntilSynced,
} from './copied-replicas-kit.js';
import { waitUntil } from './test-kit.js';

const fresh = (): Disk => ({ storage: memoryStorage() });

const written = async (running: RunningDevice, names: readonly string[]): Promise<void> => {
  for (const name of names) await addLog(running.realm, name);
};

/** Creates a disk that has synced these names, and then has unsent ones. */
const used = async (
  server: ReturnType<typeof createServer>,
  sent: readonly string[],
  unsent: readonly string[] = [],
) => {
  const disk = fresh();
  const first = await startDevice(disk, server);
  await written(first, sent);
  await waitUntilSynced(first);
  await first.end();
  if (unsent.length > 0) await offline(disk, server, unsent);
  return disk;
};

/** Writes offline, and ends. */
const offline = async (
  disk: Disk,
  server: ReturnType<typeof createServer>,
  names: readonly string[],
): Promise<void> => {
  const running = await startDevice(disk, server, { online: false });
  await written(running, names);
  await running.end();
};

/** Writes, syncs and ends. */
const turn = async (disk: Disk, server: ReturnType<typeof createServer>, names: readonly string[]): Promise<void> => {
  const running = await startDevice(disk, server);
  await written(running, names);
  await waitUntilSynced(running);
  await running.end();
};

const foundOn = async (server: ReturnType<typeof createServer>, disk: Disk = fresh()): Promise<object> => {
  const running = await startDevice(disk, server);
  await waitUntilSynced(running);
  const all = await readContents(running.realm);
  await running.end();
  return all;
};

describe('a replica whose storage was copied, or replaced by a copy', () => {
  it.each([
    ['fewer', ['x']],
    ['as many', ['x', 'y', 'z']],
    ['more', ['v', 'w', 'x', 'y', 'z']],
    ['none', []],
  ] as const)('field report A-2: loses nothing when it has written %s changesets than it lost', async (_, again) => {
    const server = createServer();
    const disk = await used(server, ['a', 'b']);
    const backup = { storage: await copyStorage(disk.storage) };
    await turn(disk, server, ['lost 1', 'lost 2', 'lost 3']);
    await turn(backup, server, again);
    const all = contentsOf('a', 'b', 'lost 1', 'lost 2', 'lost 3', ...again);
    expect(await foundOn(server)).toEqual(all);
    expect(await foundOn(server, backup)).toEqual(all);
  });

  it('field report A-2: is used alternately with the original, and all writes of both arrive', async () => {
    const server = createServer();
    const one = await used(server, ['a'], ['unsent']);
    const other = { storage: await copyStorage(one.storage) };
    const names = ['a', 'unsent'];
    for (const [at, disk] of [one, other, one, other, other, one].entries()) {
      const name = `turn ${at}`;
      names.push(name);
      await turn(disk, server, [name]);
    }
    for (const disk of [fresh(), one, other]) expect(await foundOn(server, disk)).toEqual(contentsOf(...names));
  });

  it('field report A-2: does not upload twice what was unsent when it was copied', async () => {
    const server = createServer();
    const one = await used(server, [], ['u', 'v']);
    const copies = await Promise.all([1, 2, 3].map(async () => ({ storage: await copyStorage(one.storage) })));
    for (const [at, copy] of copies.entries()) {
      await offline(copy, server, [`copy ${at}`]);
    }
    for (const copy of copies) await turn(copy, server, []);
    const all = contentsOf('u', 'v', 'copy 0', 'copy 1', 'copy 2');
    for (const disk of [fresh(), one, ...copies]) expect(await foundOn(server, disk)).toEqual(all);
  });

  it('field report A-2: may be the copy of a copy, in any order', async () => {
    const server = createServer();
    const one = await used(server, ['a'], ['b']);
    const copy = { storage: await copyStorage(one.storage) };
    await offline(copy, server, ['in the copy']);
    const second = { storage: await copyStorage(copy.storage) };
    await turn(second, server, ['in the second']);
    await turn(one, server, ['in the first']);
    await turn(copy, server, ['in the copy, later']);
    const all = contentsOf('a', 'b', 'in the copy', 'in the second', 'in the first', 'in the copy, later');
    for (const disk of [fresh(), one, copy, second]) expect(await foundOn(server, disk)).toEqual(all);
  });

  it('field report A-2: shares what a copy wrote with the copies of that copy', async () => {
    const server = createServer();
    const one = await used(server, ['a']);
    const copy = { storage: await copyStorage(one.storage) };
    await offline(copy, server, ['in the copy']);
    const others = await Promise.all([1, 2].map(async () => ({ storage: await copyStorage(copy.storage) })));
    await turn(one, server, ['in the first']); // From now on the shared replica id is taken.
    for (const [at, disk] of [copy, ...others].entries()) await turn(disk, server, [`later ${at}`]);
    const all = contentsOf('a', 'in the copy', 'in the first', 'later 0', 'later 1', 'later 2');
    for (const disk of [fresh(), one, copy, ...others]) expect(await foundOn(server, disk)).toEqual(all);
  });

  it('field report A-2: uploads once what copies share, to a server that was restored as well', async () => {
    const disk = fresh();
    const storage = memoryStorage();
    const before = createServer(storage);
    await turn(disk, before, ['a']);
    const backup = await restoreStorage(storage);
    await turn(disk, before, ['lost with the server']);
    await offline(disk, before, ['shared']);
    const copy = { storage: await copyStorage(disk.storage) };
    await offline(copy, before, ['in the copy']);
    const server = createServer(backup);
    await turn(disk, server, ['later']);
    await turn(copy, server, []);
    const all = contentsOf('a', 'shared', 'later', 'in the copy');
    for (const each of [fresh(), disk, copy]) expect(await foundOn(server, each)).toEqual(all);
  });

  it('field report A-2: may be copied while it is open', async () => {
    const server = createServer();
    const disk = await used(server, ['a']);
    const original = await startDevice(disk, server);
    original.session.pause();
    await addLog(original.realm, 'before');
    const clone = { storage: await copyStorage(disk.storage) };
    await addLog(original.realm, 'after');
    await turn(clone, server, ['in the clone']);
    original.session.resume();
    await waitUntilSynced(original);
    const all = contentsOf('a', 'before', 'after', 'in the clone');
    expect(await readContents(original.realm)).toEqual(all);
    await original.end();
    expect(await foundOn(server, clone)).toEqual(all);
    expect(await foundOn(server)).toEqual(all);
  });

  it('field report A-2: reports the copy once, and every mode of a client reset keeps unsent changes', async () => {
    for (const clientReset of ['discard', 'manual', 'recover'] as const) {
      const server = createServer();
      const disk = await used(server, ['a']);
      const backup = { storage: await copyStorage(disk.storage) };
      await turn(disk, server, ['lost']);
      const back = await startDevice(backup, server, { clientReset, online: false });
      const codes: string[] = [];
      back.client.errors$.subscribe(({ code, fatal }) => codes.push(`${code} ${fatal}`));
      const { version } = await addLog(back.realm, 'kept');
      const stages = firstValueFrom(back.session.written$(version).pipe(toArray()));
      back.connect();
      await waitUntilSynced(back);
      expect(codes).toEqual(['replica-copied false']);
      expect((await stages).map(({ state }) => state)).toEqual(['saved', 'sent', 'accepted']);
      expect(await readContents(back.realm)).toEqual(contentsOf('a', 'lost', 'kept'));
      await back.end();
    }
  });

  it('field report A-2: keeps the times of its writes: a later write of another device wins', async () => {
    const server = createServer();
    const disk = await used(server, ['a']);
    const backup = { storage: await copyStorage(disk.storage) };
    const early = await startDevice(backup, server, { online: false });
    await early.realm.write((tx) => tx.update('Log', 'a', { lines: ['early'] }));
    await early.end();
    await turn(disk, server, ['lost']);
    const other = await startDevice(fresh(), server);
    await waitUntilSynced(other);
    await other.realm.write((tx) => tx.delete('Log', 'a'));
    await waitUntilSynced(other);
    await turn(backup, server, []);
    expect(await foundOn(server)).toMatchObject({ names: ['lost'] });
    await other.end();
  });

  it('field report A-2: receives the rejections of changesets that it shares with the original', async () => {
    const permit = (_user: unknown, _realm: string, { key }: { key: unknown }) => (key === 'forbidden' ? 'no' : true);
    const server = createServer(memoryStorage(), { permit });
    const one = await used(server, ['a'], ['forbidden', 'b']);
    const copy = { storage: await copyStorage(one.storage) };
    await offline(copy, server, ['in the copy']);
    const lost = { storage: await copyStorage(one.storage) };
    const first = await startDevice(lost, server); // The device uploads, never receives the answers, and loses its disk.
    await addLog(first.realm, 'c');
    await waitUntilSynced(first);
    await first.client.close();
    const running = await startDevice(copy, server);
    await waitUntilSynced(running);
    const rejected = await firstValueFrom(running.realm.rejectedWrites$);
    expect(rejected.map(({ objects }) => objects.map(({ key }) => key))).toEqual([['forbidden']]);
    const all = { names: ['a', 'b', 'c', 'in the copy'], count: 4 };
    expect(await readContents(running.realm)).toMatchObject(all);
    await running.end();
    expect(await foundOn(server)).toMatchObject(all);
  });

  it('field report A-2: becomes another replica when both are online, and nothing is uploaded twice', async () => {
    const server = createServer();
    const one = await used(server, ['a'], ['shared']);
    const other = { storage: await copyStorage(one.storage) };
    const running = [await startDevice(one, server), await startDevice(other, server)];
    for (const [at, each] of running.entries()) await addLog(each.realm, `live ${at}`);
    const all = contentsOf('a', 'shared', 'live 0', 'live 1');
    const same = JSON.stringify(all);
    for (const each of running) {
      await waitUntil(
        each.realm.objects$('Log', {}),
        (objects) => objects.length === 5 && each.session.connectionState === 'connected',
        25_000,
      );
      expect(each.session.syncState).toBe('active');
    }
    for (const each of running) {
      await waitUntilSynced(each);
      expect(JSON.stringify(await readContents(each.realm))).toBe(same);
      await each.end();
    }
    expect(await foundOn(server)).toEqual(all);
  }, 60_000);
});
