import { ClassicLevel } from 'classic-level';
import { sortableTextOf } from '../../lib/model/sortable-number.js';
import { decodeStoredFields } from '../../lib/model/stored-data.js';
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

  it('prints unsent changes of blocks, up to the damage, without those that were acknowledged', async () => {
    const storagePath = fresh();
    const { realm, close } = await openOfflineRealm(storagePath);
    await realm.write((tx) => tx.create('Tag', { id: 0 })); // A record of its own: the block begins at version 2.
    await Promise.all(Array.from({ length: 30 }, (_, at) => realm.write((tx) => tx.create('Tag', { id: at + 1 }))));
    await close();
    const versionsOf = (all: readonly Record<string, unknown>[]): readonly unknown[] =>
      all.flatMap(({ change }) => (change ? [(change as { version: unknown }).version] : []));
    const count = (from: number, to: number): readonly number[] =>
      Array.from({ length: to - from + 1 }, (_, at) => from + at);
    const inspect = async (...flags: readonly string[]) =>
      jsonOf(await tidemark('inspect', storagePath, '--json', '--limit', '99', ...flags));
    expect(versionsOf(await inspect())).toEqual(count(1, 31));
    expect((await inspect())[0]).toMatchObject({ realm: { written: 31 } });
    expect(versionsOf(await inspect('--salvage')).toSorted()).toEqual(count(1, 31).toSorted());
    const edit = async (change: (db: ClassicLevel<string, Uint8Array>) => Promise<void>): Promise<void> => {
      const db = new ClassicLevel<string, Uint8Array>(storagePath, { valueEncoding: 'view' });
      await change(db);
      await db.close();
    };
    const key = `u/b${sortableTextOf(2)}`;
    let block = new Uint8Array(0);
    await edit(async (db) => {
      block = Uint8Array.from((await db.get(key))!);
      await db.put('u/floor', new TextEncoder().encode('5')); // As after an acknowledgement.
      await db.del(`u/e${sortableTextOf(1)}`);
      // As after a correction of the clock.
      await db.put(`u/e${sortableTextOf(31)}`, decodeStoredFields(key, block).at(-1) as Uint8Array);
    });
    for (const flags of [[], ['--salvage']]) {
      const all = await inspect(...flags);
      expect(versionsOf(all)).toEqual(count(6, 31));
      expect(all[0]).toMatchObject({ realm: { written: 31 } });
    }
    await edit((db) => db.put(key, block.slice(0, Math.floor(block.byteLength / 2))));
    const refused = await tidemark('inspect', storagePath, '--json');
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining(`record ${key} cannot be read`)]);
    const salvaged = await inspect('--salvage');
    expect(salvaged.filter(({ damaged }) => damaged)).toEqual([{ damaged: expect.stringContaining(key) as unknown }]);
    const versions = versionsOf(salvaged);
    expect(versions.length).toBeGreaterThan(5);
    expect(versions.length).toBeLessThan(15);
    expect(versions).toEqual([...count(6, 4 + versions.length), 31]);
    expect(salvaged.filter(({ object }) => object)).toHaveLength(31);
  });
});
