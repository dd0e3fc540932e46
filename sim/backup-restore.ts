import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, map, reduce } from 'rxjs';
import { writeBackup, restore } from '../lib/backup/backup.js';
import { memoryStorage, type StorageChange } from '../lib/index.js';
import { levelStorage } from '../lib/storage/level.js';

type Entries = ReadonlyMap<string, Uint8Array>;

/** Everything in a storage of LevelDB, read in pages. */
const readAll = async (folder: string): Promise<Entries> => {
  const storage = await lastValueFrom(levelStorage(folder));
  const entries = new Map<string, Uint8Array>();
  const everything = { from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity };
  await lastValueFrom(
    storage.range(everything).pipe(
      map((page) => page.forEach(([key, value]) => entries.set(key, value))),
      reduce(() => undefined, undefined),
    ),
    { defaultValue: undefined },
  );
  await lastValueFrom(storage.close(), { defaultValue: undefined });
  return entries;
};

/**
 * What a server has on its disk after it was backed up to a file and that was restored into a folder, by the code with
 * which servers really do it. It takes files and promises: a world waits for it, and its time stands still meanwhile.
 */
export const backUpAndRestore = async (entries: Entries, random: () => number): Promise<Entries> => {
  const place = await mkdtemp(join(tmpdir(), 'simulated-'));
  try {
    const storage = memoryStorage();
    const all = [...entries].map(([key, value]): StorageChange => ({ type: 'put', key, value }));
    await lastValueFrom(storage.batch(all, { durable: true }), { defaultValue: undefined });
    const [file, folder] = [join(place, 'backup'), join(place, 'restored')];
    await writeBackup(storage, file);
    await restore(file, folder, { random });
    return await readAll(folder);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
};
