import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { EMPTY, firstValueFrom, lastValueFrom } from 'rxjs';
import { writeBackup, restore } from '../../lib/backup/backup.js';
import { BackupError } from '../../lib/backup/backup-error.js';
import { systemClock } from '../../lib/clock.js';
import { decodeValue, encodeValue } from '../../lib/model/msgpack.js';
import { StorageError } from '../../lib/model/errors.js';
import { levelStorage } from '../../lib/storage/level.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage, StorageChange } from '../../lib/storage/storage.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'tidemark-backup-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

const done = (work: ReturnType<Storage['batch']>) => lastValueFrom(work, { defaultValue: undefined });
const puts = (count: number, from = 0): StorageChange[] =>
  Array.from({ length: count }, (_, n) => ({
    type: 'put',
    key: `realm/team/log/e${String(from + n).padStart(9, '0')}`,
    value: new Uint8Array(20).fill(n),
  }));
const ids: StorageChange[] = ['team', 'other'].map((realm) => ({
  type: 'put',
  key: `realm/${realm}/id`,
  value: encodeValue(`id of ${realm}`),
}));

const entriesOf = async (storage: Storage) => {
  const found = await firstValueFrom(storage.range({ from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity }));
  return found.map(([key, value]) => [key, Buffer.from(value).toString('hex')] as const);
};
const storedIn = async (storagePath: string) => {
  const storage = await firstValueFrom(levelStorage(storagePath));
  const entries = await entriesOf(storage);
  await done(storage.close());
  return entries;
};
const isId = ([key]: readonly [string, string]): boolean => key.endsWith('/id');

/** Creates a database with some entries, and its backup. */
const made = async () => {
  const storage = await firstValueFrom(levelStorage(at('data')));
  await done(storage.batch([...puts(3_000), ...ids], { durable: true }));
  const summary = await writeBackup(storage, at('backup'));
  const entries = await entriesOf(storage);
  await done(storage.close());
  return { summary, entries };
};

describe('a backup', () => {
  it('holds all entries that existed when it began, and restores them unchanged, except for the ids of histories', async () => {
    const { summary, entries } = await made();
    expect(summary).toEqual({ entries: 3_002, bytes: readFileSync(at('backup')).byteLength });
    expect(await restore(at('backup'), at('restored'), systemClock)).toEqual({ entries: 3_002, realms: 2 });
    const restored = await storedIn(at('restored'));
    expect(restored.filter((entry) => !isId(entry))).toEqual(entries.filter((entry) => !isId(entry)));
    const [before, after] = [entries, restored].map((all) =>
      all.filter(isId).map(([, value]) => decodeValue(Buffer.from(value, 'hex'))),
    );
    expect(before).toMatchObject([{ right: 'id of other' }, { right: 'id of team' }]);
    expect(after).toMatchObject(Array(2).fill({ right: expect.stringMatching(/^\w{20}$/) as unknown }));
    expect(existsSync(at('backup.partial')) || existsSync(at('restored.partial'))).toBe(false);
  });

  it('has the state of one moment, whatever is written while it is made', async () => {
    const storage = await firstValueFrom(levelStorage(at('data')));
    await done(storage.batch(puts(20_000), { durable: false }));
    let [making, batches] = [true, 0];
    const writing = (async () => {
      for (; making; batches += 1) {
        const halves = ['before', 'realm~after'].map(
          (key) => ({ type: 'put', key, value: encodeValue(batches) }) as const,
        );
        await done(storage.batch(halves, { durable: false }));
      }
    })();
    await writeBackup(storage, at('backup'));
    making = false;
    await writing;
    await done(storage.close());
    await restore(at('backup'), at('restored'), systemClock);
    const restored = await storedIn(at('restored'));
    expect(batches).toBeGreaterThan(3);
    expect(restored.slice(1, -1)).toHaveLength(20_000);
    // The first and the last entry are written in one batch.
    expect(restored.at(0)![1]).toBe(restored.at(-1)![1]);
  });

  it('of a storage in memory is the same', async () => {
    const storage = memoryStorage();
    await done(storage.batch([...puts(3_000), ...ids], { durable: true }));
    await writeBackup(storage, at('backup'));
    await restore(at('backup'), at('restored'), systemClock);
    expect(await storedIn(at('restored'))).toHaveLength(3_002);
  });

  it('overwrites no file', async () => {
    await made();
    const [file, before] = [at('backup'), readFileSync(at('backup'))];
    await expect(writeBackup(memoryStorage(), file)).rejects.toThrow(`${file} exists already`);
    expect(readFileSync(file)).toEqual(before);
    await expect(restore(file, at('data'), systemClock)).rejects.toThrow(`${at('data')} exists already`);
    expect(await storedIn(at('data'))).toHaveLength(3_002);
  });

  it.each([
    ['whose storage cannot be copied', { ...memoryStorage(), copy: undefined as never }, BackupError],
    [
      'whose storage fails',
      {
        ...memoryStorage(),
        copy: () => {
          throw new StorageError('disk');
        },
      },
      StorageError,
    ],
  ])('%s leaves no file', async (_, storage, expected) => {
    await expect(writeBackup(storage, at('backup'))).rejects.toThrow(expected);
    expect(existsSync(at('backup')) || existsSync(at('backup.partial'))).toBe(false);
  });

  it('into a missing folder reports that', async () => {
    const storage = { ...memoryStorage(), copy: () => EMPTY };
    await expect(writeBackup(storage, at('nowhere/backup'))).rejects.toThrow(BackupError);
  });
});

describe('a backup that is damaged', () => {
  it('is rejected wherever it was cut or changed, and then restores nothing', async () => {
    await made();
    const whole = readFileSync(at('backup'));
    const damage = fc.oneof(
      fc.nat(whole.byteLength - 1).map((length) => whole.subarray(0, length)),
      fc.tuple(fc.nat(whole.byteLength - 1), fc.integer({ min: 1, max: 255 })).map(([index, by]) => {
        const changed = Buffer.from(whole);
        changed[index] = changed[index]! ^ by;
        return changed;
      }),
      fc.uint8Array({ minLength: 1, maxLength: 2_000 }).map((more) => Buffer.concat([whole, more])),
    );
    await fc.assert(
      fc.asyncProperty(damage, async (bytes) => {
        writeFileSync(at('damaged'), bytes);
        await expect(restore(at('damaged'), at('restored'), systemClock)).rejects.toThrow(BackupError);
        expect(existsSync(at('restored')) || existsSync(at('restored.partial'))).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['a page without entries', deflateRawSync(encodeValue([['key', 7]])), /a page has no entries/],
    ['a page that is not MessagePack', deflateRawSync(Uint8Array.of(0xc1)), /is not a complete backup: .*0xc1/],
    ['a page that is not compressed', Buffer.alloc(9, 0xff), /a page cannot be expanded/],
    ['no end', null, /its end is missing/],
  ])('is rejected with the reason: %s', async (_, page, text) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(page?.byteLength ?? 0);
    writeFileSync(at('damaged'), Buffer.concat([Buffer.from('tidemark backup 2\n'), length, page ?? encodeValue([1])]));
    const restoring = restore(at('damaged'), at('restored'), systemClock);
    await expect(restoring).rejects.toThrow(BackupError);
    await expect(restoring).rejects.toThrow(text);
  });

  it('is rejected when it is another file, or missing', async () => {
    writeFileSync(at('other'), 'tidemark realm 1, and more of it');
    await expect(restore(at('other'), at('restored'), systemClock)).rejects.toThrow('it is not a backup');
    await expect(restore(at('nothing'), at('restored'), systemClock)).rejects.toThrow('cannot be read');
    expect(existsSync(at('restored'))).toBe(false);
  });
});

describe('a path that is not a regular file', () => {
  const pipe = (name: string): string => {
    execFileSync('mkfifo', [at(name)]);
    return at(name);
  };

  it.each([
    ['a named pipe', () => pipe('pipe'), /is a named pipe\. A backup must be a file/],
    ['a folder', () => folder, /is a folder\. A backup must be a file/],
    ['a device', () => '/dev/zero', /is a device\. A backup must be a file/],
    ['nothing', () => at('nothing'), /cannot be read/],
  ])('field report E-10: is rejected as a backup at once: %s', async (_, storagePath, why) => {
    await expect(restore(storagePath(), at('restored'), systemClock)).rejects.toThrow(why);
    expect(existsSync(at('restored'))).toBe(false);
  });

  it('field report E-10: is not written to by a backup, and stays unchanged', async () => {
    const storage = memoryStorage();
    pipe('backup');
    await expect(writeBackup(storage, at('backup'))).rejects.toThrow(/exists already/);
    pipe('other.partial');
    await expect(writeBackup(storage, at('other'))).rejects.toThrow(
      /other\.partial is a named pipe, but the backup is written there first/,
    );
    writeFileSync(at('third.partial'), 'of a try that was killed');
    await writeBackup({ ...storage, copy: () => EMPTY }, at('third'));
    expect([existsSync(at('other.partial')), existsSync(at('third.partial')), existsSync(at('third'))]).toEqual([
      true,
      false,
      true,
    ]);
    expect(statSync(at('third')).mode & 0o777).toBe(0o600);
  });
});
