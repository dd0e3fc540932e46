import { constants, type FileHandle, lstat, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { defer, firstValueFrom, lastValueFrom } from 'rxjs';
import { type Clock, createRandomId } from '../clock.js';
import { encodeValue } from '../model/msgpack.js';
import { InvalidArgumentError, TidemarkError } from '../model/errors.js';
import { levelStorage } from '../storage/level.js';
import type { Storage, StorageChange, StorageEntry } from '../storage/storage.js';
import { BackupError } from './backup-error.js';
import { createBackupWriter, pagesOf } from './backup-file.js';

/** What a backup holds. */
export interface BackupSummary {
  readonly entries: number;
  readonly bytes: number;
}

/** Is told after each page how many entries there are so far, and how many bytes the backup has. */
export type BackupProgress = (sofar: BackupSummary) => void;

const checkPath = (argument: string, path: unknown): string => {
  if (typeof path === 'string' && path.trim() !== '') return path;
  throw new InvalidArgumentError(argument, 'a path', path);
};

const toBackupError = (what: string, thrown: unknown): TidemarkError =>
  thrown instanceof TidemarkError
    ? thrown
    : new BackupError(`${what}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, { cause: thrown });

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** Removes what an earlier try has left; refuses what is no file, because that is not from here. */
const removePartial = async (partial: string): Promise<void> => {
  const found = await lstat(partial).catch(() => null);
  if (found?.isFile() === false)
    throw new BackupError(
      `${partial} is ${kindOf(found)}: a backup is written there first. Remove it, or write elsewhere.`,
    );
  await rm(partial, { force: true });
};

/** What is at a path, for people. */
const kindOf = (found: Awaited<ReturnType<typeof lstat>>): string => {
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a named pipe';
  if (found.isSocket()) return 'a socket';
  return found.isSymbolicLink() ? 'a link' : 'a device';
};

/**
 * Opens a backup to be read. A pipe or a device may never answer: nothing is waited for, and nothing but a file is
 * taken.
 */
const openBackup = async (file: string): Promise<FileHandle> => {
  // Not everywhere: Windows has no such flag, and no such pipes.
  const { O_RDONLY, O_NONBLOCK = 0 } = constants as { readonly O_RDONLY: number; readonly O_NONBLOCK?: number };
  const source = await open(file, O_RDONLY | O_NONBLOCK).catch((thrown: unknown) => {
    throw toBackupError(`${file} cannot be read`, thrown);
  });
  const found = await source.stat();
  if (found.isFile()) return source;
  await source.close();
  throw new BackupError(`${file} is ${kindOf(found)}, and no file. A backup is read from a file, twice.`);
};

/**
 * A new name in a folder survives a power cut only when the folder is synced. Not every system lets a folder be opened.
 */
const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r').catch(() => null);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
};

/**
 * Writes everything that a storage holds at this moment into a file, while it is in use. The file has its name only
 * when all of it is on the disk: until then it is `<file>.partial`. Rejects with a `BackupError` when the file is there
 * already or cannot be written, or when the storage cannot be copied; with a `StorageError` when that fails.
 */
export const writeBackup = async (
  storage: Storage,
  file: string,
  progress: BackupProgress = () => undefined,
): Promise<BackupSummary> => {
  checkPath('file', file);
  const { copy } = storage;
  if (!copy) throw new BackupError('this storage cannot be copied while it is in use: it has no copy()');
  if (await exists(file)) throw new BackupError(`${file} is there already`);
  const partial = `${file}.partial`;
  await removePartial(partial);
  try {
    const handle = await open(partial, 'wx', 0o600);
    try {
      const writer = await createBackupWriter(handle);
      await lastValueFrom(
        copy((entries) => defer(() => writer.writeEntries(entries).then(progress))),
        { defaultValue: undefined },
      );
      const summary = await writer.end();
      await rename(partial, file);
      await syncFolder(dirname(file));
      return summary;
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    await rm(partial, { force: true });
    throw toBackupError(`${file} cannot be written`, thrown);
  }
};

/** The key under which a server keeps the id of a realm's history. */
const historyIdKey = /^realm\/[^/]+\/id$/;

/**
 * What comes back is another history: since the backup, clients have seen what is not in it, and what is written now
 * gets the versions that those had. By its id alone each of them finds out, whenever it comes (E12).
 */
const renewHistoryIds = (entries: readonly StorageEntry[], clock: Pick<Clock, 'random'>): StorageChange[] =>
  entries.map(([key, value]) => ({
    type: 'put',
    key,
    value: historyIdKey.test(key) ? encodeValue(createRandomId(clock)) : value,
  }));

/**
 * Makes a folder for a server out of a backup. Everything is read and checked before anything is written; the folder
 * has its name only when all of it is on the disk. Each realm gets a new history id, so that every client notices and
 * starts over, with what it has not yet uploaded. Rejects with a `BackupError` when the backup is damaged, or the
 * folder is there already.
 */
export const restore = async (
  file: string,
  folder: string,
  clock: Pick<Clock, 'random'>,
  progress: BackupProgress = () => undefined,
): Promise<{ readonly entries: number; readonly realms: number }> => {
  checkPath('file', file);
  checkPath('folder', folder);
  if (await exists(folder)) throw new BackupError(`${folder} is there already`);
  const partial = `${folder}.partial`;
  const source = await openBackup(file);
  try {
    await checkPages(pagesOf(source, file));
    await rm(partial, { force: true, recursive: true });
    const counts = await fillFolder(partial, pagesOf(source, file, progress), clock);
    await rename(partial, folder);
    await syncFolder(dirname(folder));
    return counts;
  } catch (thrown) {
    await rm(partial, { force: true, recursive: true });
    throw toBackupError(`${folder} cannot be written`, thrown);
  } finally {
    await source.close();
  }
};

/** It is whole, or this throws. */
const checkPages = async (pages: AsyncGenerator): Promise<void> => {
  while ((await pages.next()).done !== true);
};

const fillFolder = async (
  folder: string,
  pages: AsyncIterable<readonly StorageEntry[]>,
  clock: Pick<Clock, 'random'>,
): Promise<{ readonly entries: number; readonly realms: number }> => {
  const storage = await firstValueFrom(levelStorage(folder));
  const done = (work: ReturnType<Storage['close']>) => lastValueFrom(work, { defaultValue: undefined });
  let [count, realms] = [0, 0];
  try {
    for await (const entries of pages) {
      await done(storage.batch(renewHistoryIds(entries, clock), { durable: true }));
      count += entries.length;
      realms += entries.filter(([key]) => historyIdKey.test(key)).length;
    }
  } finally {
    await done(storage.close());
  }
  return { entries: count, realms };
};
