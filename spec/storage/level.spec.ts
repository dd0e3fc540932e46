import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { firstValueFrom, forkJoin, lastValueFrom, merge, toArray } from 'rxjs';
import { StorageError } from '../../lib/model/errors.js';
import { abstractLevelStorage, type LevelDatabase } from '../../lib/storage/abstract-level.js';
import { levelStorage } from '../../lib/storage/level.js';
import { keyRangeOf, type OpenStorage, type Storage, type StorageChange } from '../../lib/storage/storage.js';
import { createTemporaryFolders } from './temporary-folders.js';

const { fresh, remove } = createTemporaryFolders();
afterAll(remove);

const put = (key: string, byte: number): StorageChange => ({ type: 'put', key, value: Uint8Array.of(byte) });
const everything = { from: ' ', to: '\x7f', limit: 100, bytesMax: Infinity };
const contents = async (storage: Storage) =>
  (await firstValueFrom(storage.range(everything))).map(([key, value]) => [key, ...value]);
const done = (storage: Storage, ...changes: StorageChange[]) =>
  lastValueFrom(storage.batch(changes, { durable: true }), { defaultValue: undefined });
const closed = (storage: Storage) => lastValueFrom(storage.close(), { defaultValue: undefined });
const failing = (open: OpenStorage): Promise<unknown> =>
  firstValueFrom(open).then(
    () => 'opened',
    (thrown: unknown) => thrown,
  );

const containing = (text: string): unknown => expect.stringContaining(text);

/** The files that hold the data. LevelDB replaces its text log before it checks the lock. */
const dataIn = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .filter((name) => !name.startsWith('LOG'))
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex'),
      ]),
  );

describe('LevelDB storage', () => {
  it('keeps the written entries', async () => {
    const folder = fresh();
    const first = await firstValueFrom(levelStorage(folder));
    await done(first, put('a', 1), put('b', 2));
    await closed(first);
    const again = await firstValueFrom(levelStorage(folder));
    expect(await contents(again)).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
    await closed(again);
  });

  it('creates missing parent folders', async () => {
    const storage = await firstValueFrom(levelStorage(join(fresh(), 'deep', 'down')));
    expect(await contents(storage)).toEqual([]);
    await closed(storage);
  });

  it('rejects a second opener, changes nothing, and lets the next one open after the close', async () => {
    const folder = fresh();
    const first = await firstValueFrom(levelStorage(folder));
    await done(first, put('a', 1));
    const before = dataIn(folder);
    const failure = await failing(levelStorage(folder));
    expect(failure).toBeInstanceOf(StorageError);
    expect(failure).toMatchObject({
      message: `The database in ${folder} is in use by another process, or by another realm or server of this process. Close it, or use another storage.`,
      cause: { code: 'LEVEL_LOCKED' },
    });
    expect(dataIn(folder)).toEqual(before);
    await done(first, put('b', 2));
    expect(await contents(first)).toHaveLength(2);
    await closed(first);
    const next = await firstValueFrom(levelStorage(folder));
    expect(await contents(next)).toHaveLength(2);
    await closed(next);
  });

  it('reports why a path cannot be used', async () => {
    const folder = fresh();
    mkdirSync(dirname(folder), { recursive: true });
    writeFileSync(folder, 'a file');
    const failure = await failing(levelStorage(folder));
    expect(failure).toBeInstanceOf(StorageError);
    expect(failure).toMatchObject({ message: containing(folder), cause: expect.anything() as unknown });
    expect(readFileSync(folder, 'utf8')).toBe('a file');
  });

  it('does not open a corrupt database, and leaves it for a repair', async () => {
    const folder = fresh();
    const storage = await firstValueFrom(levelStorage(folder));
    await done(storage, put('a', 1));
    await closed(storage);
    writeFileSync(join(folder, 'CURRENT'), 'corrupt');
    const before = dataIn(folder);
    const failure = await failing(levelStorage(folder));
    expect(failure).toBeInstanceOf(StorageError);
    expect(failure).toMatchObject({ message: containing('cannot be opened') });
    expect(dataIn(folder)).toEqual(before);
  });
});

describe('storage on an abstract-level database', () => {
  /** A database whose batches stay pending until the spec completes or fails them. */
  const held = () => {
    const waiting: { keys: string[]; sync: boolean; end: (error?: Error) => void }[] = [];
    const events: string[] = [];
    const db: LevelDatabase = {
      open: () => Promise.resolve(),
      close: () => Promise.resolve(void events.push('closed')),
      batch: (changes, { sync }) =>
        new Promise((resolve, reject) => {
          const end = (error?: Error) => (error ? reject(error) : resolve());
          waiting.push({ keys: changes.map(({ key }) => key), sync, end });
        }),
      get: () => Promise.reject(new Error('the disk is gone')),
      iterator: () => {
        throw new Error('the disk is gone');
      },
    };
    /** Waits until all resolved promises have been processed. */
    const settled = async () => {
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    };
    return { db, waiting, events, settled };
  };

  it('reads values that are asked for together in one call, if the database has such a call', async () => {
    const calls: string[] = [];
    const value = (key: string) => (key === 'c' ? undefined : Uint8Array.of(key.length));
    const older: LevelDatabase = {
      ...held().db,
      get: (key) => Promise.resolve(void calls.push(key)).then(() => value(key)),
    };
    const db: LevelDatabase = {
      ...older,
      getMany: (keys) => Promise.resolve(void calls.push(keys.join(' '))).then(() => keys.map(value)),
    };
    const storage = await firstValueFrom(abstractLevelStorage(db));
    const read = (key: string) => storage.range(keyRangeOf(key));
    const found = await firstValueFrom(forkJoin(['a', 'bb', 'c'].map(read)));
    expect(found.map((all) => all.map(([key, bytes]) => [key, ...bytes]))).toEqual([[['a', 1]], [['bb', 2]], []]);
    expect(await firstValueFrom(read('a'))).toEqual([['a', Uint8Array.of(1)]]);
    const other = await firstValueFrom(abstractLevelStorage(older));
    await firstValueFrom(forkJoin([other.range(keyRangeOf('x')), other.range(keyRangeOf('y'))]));
    expect(calls).toEqual(['a bb c', 'a', 'x', 'y']);
    const failing = await firstValueFrom(
      abstractLevelStorage({ ...db, getMany: () => Promise.reject(new Error('the disk is gone')) }),
    );
    const ends = ['a', 'b'].map((key) => firstValueFrom(failing.range(keyRangeOf(key))));
    for (const { status } of await Promise.allSettled(ends)) expect(status).toBe('rejected');
  });

  it('asks for few entries of a range first, because the memory for them is kept for a while', async () => {
    const sizes: number[] = [];
    let left = 2_000;
    const db: LevelDatabase = {
      ...held().db,
      iterator: () => ({
        nextv: (size) => {
          sizes.push(size);
          const count = Math.min(size, left);
          left -= count;
          return Promise.resolve(Array.from({ length: count }, () => ['key', Uint8Array.of(1)]));
        },
        close: () => Promise.resolve(),
      }),
    };
    const storage = await firstValueFrom(abstractLevelStorage(db));
    const read = (limit: number) => firstValueFrom(storage.range({ ...everything, limit }));
    expect(await read(10)).toHaveLength(10);
    expect(await read(1_500)).toHaveLength(1_500);
    expect(await read(1_000)).toHaveLength(490);
    expect(sizes).toEqual([10, 32, 1_000, 468, 32, 968, 510]);
  });

  it('writes one batch after the other, merges those that arrive meanwhile, and syncs them if one of them asks', async () => {
    const { db, waiting, events, settled } = held();
    const storage = await firstValueFrom(abstractLevelStorage(db));
    const write = (key: string, durable: boolean) =>
      storage.batch([put(key, 1)], { durable }).subscribe({ complete: () => events.push(key) });
    write('a', false);
    await settled();
    write('b', false);
    write('c', true);
    await settled();
    expect(waiting.map(({ keys, sync }) => ({ keys, sync }))).toEqual([{ keys: ['a'], sync: false }]);
    waiting[0]!.end();
    await settled();
    expect(waiting.slice(1).map(({ keys, sync }) => ({ keys, sync }))).toEqual([{ keys: ['b', 'c'], sync: true }]);
    expect(events).toEqual(['a']);
    waiting[1]!.end();
    await settled();
    expect(events).toEqual(['a', 'b', 'c']);
  });

  it('reports a failed batch to its writer, and continues', async () => {
    const { db, waiting, settled } = held();
    const storage = await firstValueFrom(abstractLevelStorage(db));
    const full = new Error('no space left on device');
    const first = done(storage, put('a', 1)).catch((thrown: unknown) => thrown);
    await settled();
    const second = done(storage, put('b', 1)).then(() => 'written');
    waiting[0]!.end(full);
    await settled();
    waiting[1]!.end();
    const failure = await first;
    expect(failure).toBeInstanceOf(StorageError);
    expect(failure).toMatchObject({ message: containing('no space left'), cause: full });
    expect(await second).toBe('written');
  });

  it('reports a failed read to its reader', async () => {
    const storage = await firstValueFrom(abstractLevelStorage(held().db));
    const failure = await firstValueFrom(storage.range(everything)).catch((thrown: unknown) => thrown);
    expect(failure).toBeInstanceOf(StorageError);
    expect(failure).toMatchObject({ message: containing('the disk is gone') });
  });

  it('closes the database after the last batch', async () => {
    const { db, waiting, events, settled } = held();
    const storage = await firstValueFrom(abstractLevelStorage(db));
    const written = done(storage, put('a', 1));
    const closedStorage = closed(storage);
    await settled();
    expect(events).toEqual([]);
    waiting[0]!.end();
    await Promise.all([written, closedStorage]);
    expect(events).toEqual(['closed']);
  });

  it('reads no more than a page takes, however large its values are', async () => {
    const db = new ClassicLevel<string, Uint8Array>(fresh(), { valueEncoding: 'view' });
    const storage = await firstValueFrom(abstractLevelStorage(db));
    const large = Array.from({ length: 8 }, (_, at): StorageChange => ({
      type: 'put',
      key: `k${at}`,
      value: new Uint8Array(300_000),
    }));
    await done(storage, ...large);
    const page = await firstValueFrom(storage.range({ ...everything, bytesMax: 600_000 }));
    expect(page.map(([key]) => key)).toEqual(['k0', 'k1']);
    const all = await lastValueFrom(merge(storage.range(everything), storage.range(everything)).pipe(toArray()));
    expect(all.map(({ length }) => length)).toEqual([8, 8]);
    await closed(storage);
  });
});
