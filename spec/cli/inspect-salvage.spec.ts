import { ClassicLevel } from 'classic-level';
import { useBuiltLibrary } from '../server/server-process.js';
import { createTemporaryFolders } from '../storage/temporary-folders.js';
import { commandOf, entriesAt, jsonOf } from './inspect-kit.js';
import { fillRealm, openOfflineRealm } from './offline-realm.js';

const { fresh, remove } = createTemporaryFolders();
const tidemark = commandOf(useBuiltLibrary());
afterAll(remove);

describe('tidemark inspect --salvage', () => {
  it('prints all that can be read of a damaged realm, and changes nothing', async () => {
    const storagePath = fresh();
    await fillRealm(storagePath);
    const { realm, close } = await openOfflineRealm(storagePath);
    await realm.write((tx) => {
      for (let id = 100; id < 150; id += 1) tx.create('Tag', { id });
    });
    await close();
    const db = new ClassicLevel<string, Uint8Array>(storagePath, { valueEncoding: 'view' });
    const [block = ''] = await db.keys({ gte: 'b/', lt: 'b0' }).all();
    const [change = ''] = await db.keys({ gte: 'u/e', lt: 'u/f' }).all();
    const record = Uint8Array.from((await db.get(block)) ?? []);
    // The states come first, and a number in the middle of them is no length.
    record[record.indexOf(0xc0, Math.floor(record.byteLength / 3))] = 0xc1;
    await db.put(block, record);
    await db.put(change, Uint8Array.of(1));
    await db.put('o/Tag/n7', Uint8Array.of(1));
    await db.put('meta', Uint8Array.of(1));
    await db.close();
    const before = await entriesAt(storagePath);
    expect(await tidemark('inspect', storagePath)).toMatchObject({ code: 1, out: '' });
    const ran = await tidemark('inspect', storagePath, '--salvage', '--json');
    expect([ran.code, ran.err]).toEqual([0, '']);
    const all = jsonOf(ran);
    const keys = all.flatMap(({ object }) => (object ? [(object as { key: unknown }).key] : []));
    expect(keys).toHaveLength(50); // 49 of 50 in the block, and "milk".
    expect(keys).toContain('milk');
    const damaged = all.flatMap((item) => (typeof item['damaged'] === 'string' ? [item['damaged']] : []));
    expect(damaged.map((text) => /damaged: (\S+ \S+) cannot/.exec(text)?.[1] ?? text)).toEqual([
      expect.stringMatching(/format/) as unknown,
      `record ${block}`,
      expect.stringMatching(/^Tag 1\d\d$/) as unknown,
      'Tag 7',
      `record ${change}`,
    ]);
    expect(all.filter(({ change: found }) => found)).toHaveLength(2);
    expect(all.at(-1)).toMatchObject({ counts: { objects: { Tag: { living: 49 }, Task: { living: 1 } }, changes: 2 } });
    expect((await tidemark('inspect', storagePath, '--salvage', '--limit', '3')).out).toContain('damaged: ');
    expect(await entriesAt(storagePath)).toEqual(before);
  });
});
