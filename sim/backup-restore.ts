import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastValueFrom, map, reduce } from 'rxjs';
import { writeBackup, restore } from '../lib/backup/backup.js';
import { memoryStorage, type StorageChange } from '../lib/index.js';
import { levelStorage } from '../lib/storage/level.js';

type Entries = ReadonlyMap<string, Uint8Array>;

/** Reads everything in a LevelDB storage, in pages. */
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
 * Returns the entries of a server's disk after a backup to a file and a restore into a folder. Both use the library's
 * own backup code. They need files and promises, so the virtual time of the world is paused meanwhile.
 */
export const backUpAndRestore = async (entries: Entries, random: () => number): Promise<Entries> => {
  const temporary = await mkdtemp(join(tmpdir(), 'simulated-'));
  try {
    const storage = memoryStorage();
    const all = [...entries].map(([key, value]): StorageChange => ({ type: 'put', key, value }));
    await lastValueFrom(storage.batch(all, { durable: true }), { defaultValue: undefined });
    const [file, folder] = [join(temporary, 'backup'), join(temporary, 'restored')];
    await writeBackup(storage, file);
    await restore(file, folder, { random });
    return await readAll(folder);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
};
