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

/**
 * The size of a backup.
 *
 * @example
 * ```ts
 * const { entries, bytes } = await server.backup('/var/backups/tidemark.backup');
 * ```
 */
export interface BackupSummary {
  /** Number of entries of the storage. */
  readonly entries: number;
  /** Bytes of the file. */
  readonly bytes: number;
}

/** Called after each page with the entries and bytes so far. */
export type BackupProgress = (soFar: BackupSummary) => void;

const checkPath = (argument: string, path: unknown): string => {
  if (typeof path === 'string' && path.trim() !== '') return path;
  throw new InvalidArgumentError(argument, 'a path', path);
};

const toBackupError = (action: string, thrown: unknown): TidemarkError =>
  thrown instanceof TidemarkError
    ? thrown
    : new BackupError(`${action}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, { cause: thrown });

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/**
 * Removes the partial file of an earlier attempt. Throws for anything but a file, because a backup does not make it.
 */
const removePartial = async (partial: string): Promise<void> => {
  const found = await lstat(partial).catch(() => null);
  if (found?.isFile() === false)
    throw new BackupError(
      `${partial} is ${kindOf(found)}, but the backup is written there first. Remove it, or choose another file.`,
    );
  await rm(partial, { force: true });
};

/** The kind of file at a path, for messages. */
const kindOf = (found: Awaited<ReturnType<typeof lstat>>): string => {
  if (found.isDirectory()) return 'a folder';
  if (found.isFIFO()) return 'a named pipe';
  if (found.isSocket()) return 'a socket';
  return found.isSymbolicLink() ? 'a link' : 'a device';
};

/** Opens a backup for reading. Accepts only files, and never waits, because a pipe or a device may never answer. */
const openBackup = async (file: string): Promise<FileHandle> => {
  // Windows has no such flag and no such pipes.
  const { O_RDONLY, O_NONBLOCK = 0 } = constants as { readonly O_RDONLY: number; readonly O_NONBLOCK?: number };
  const source = await open(file, O_RDONLY | O_NONBLOCK).catch((thrown: unknown) => {
    throw toBackupError(`${file} cannot be read`, thrown);
  });
  const found = await source.stat();
  if (found.isFile()) return source;
  await source.close();
  throw new BackupError(`${file} is ${kindOf(found)}. A backup must be a file, because it is read twice.`);
};

/** Syncs a folder, without which a new name in it does not survive a power cut. Not every system can open a folder. */
const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r').catch(() => null);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
};

/**
 * Writes all entries of a storage, as they are at one moment, into a file. The storage stays in use. The file is named
 * `<file>.partial` until all of it is on the disk. Rejects with a `BackupError` when the file exists or cannot be
 * written, or when the storage cannot be copied, and with a `StorageError` when the copy fails.
 */
export const writeBackup = async (
  storage: Storage,
  file: string,
  progress: BackupProgress = () => undefined,
): Promise<BackupSummary> => {
  checkPath('file', file);
  const { copy } = storage;
  if (!copy) throw new BackupError('This storage cannot be copied while it is in use, because it has no copy method.');
  if (await exists(file)) throw new BackupError(`${file} exists already.`);
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
 * Gives each history a new id. Since the backup, clients have received changesets that are not in it, and new
 * changesets will reuse their versions. The new id is the only sign by which every client detects this, whenever it
 * connects (E12).
 */
const renewHistoryIds = (entries: readonly StorageEntry[], clock: Pick<Clock, 'random'>): StorageChange[] =>
  entries.map(([key, value]) => ({
    type: 'put',
    key,
    value: historyIdKey.test(key) ? encodeValue(createRandomId(clock)) : value,
  }));

/**
 * Makes a folder for a server from a backup. Everything is read and checked before anything is written. The folder is
 * named `<folder>.partial` until all of it is on the disk. Each realm gets a new history id, so that every client makes
 * a client reset and keeps its unsent changes. Rejects with a `BackupError` when the backup is damaged or the folder
 * exists.
 */
export const restore = async (
  file: string,
  folder: string,
  clock: Pick<Clock, 'random'>,
  progress: BackupProgress = () => undefined,
): Promise<{ readonly entries: number; readonly realms: number }> => {
  checkPath('file', file);
  checkPath('folder', folder);
  if (await exists(folder)) throw new BackupError(`${folder} exists already.`);
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

/** Throws unless the backup is complete. */
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
