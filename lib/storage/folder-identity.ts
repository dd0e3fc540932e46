import { mkdirSync, realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';

/** A folder, however its path is spelled. */
export interface Folder {
  /** The real path: without links, trailing slashes and `..`, and with the case that the file system stores. */
  readonly path: string;
  /** Device and inode: the same for two mounts of one folder. */
  readonly id: string;
}

/**
 * Resolves the folder at a location, and creates it if it does not exist. The identity of a location that cannot be a
 * folder is its absolute path.
 */
export const resolveFolder = (location: string): Folder => {
  try {
    mkdirSync(location, { recursive: true, mode: 0o700 }); // An existing folder keeps its mode.
    const path = realpathSync.native(location);
    const { dev, ino } = statSync(path, { bigint: true });
    return { path, id: `${dev}:${ino}` };
  } catch {
    const path = resolve(location); // The engine reports the problem.
    return { path, id: path };
  }
};

/**
 * The folders that are open in this process. Kept on the global object, because a process may have loaded this library
 * more than once.
 */
const getOpenFolders = (): Set<string> => {
  const holder = globalThis as Record<symbol, Set<string> | undefined>;
  return (holder[Symbol.for('tidemark.openFolders')] ??= new Set());
};

/**
 * Holds a folder for one storage of this process until the returned function is called. Returns `null` when another
 * storage holds it.
 */
export const holdFolder = ({ id }: Folder): (() => void) | null => {
  const open = getOpenFolders();
  if (open.has(id)) return null;
  open.add(id);
  let isHeld = true;
  return () => {
    if (isHeld) open.delete(id);
    isHeld = false;
  };
};

const othersMask = 0o077;

/**
 * The mode, such as `0755`, of a folder that other users of the machine can access. `null`: they cannot, or the system
 * has no such modes.
 */
export const sharedModeOf = (folder: string): string | null => {
  if (process.platform === 'win32') return null;
  try {
    const { mode } = statSync(folder);
    return (mode & othersMask) === 0 ? null : `0${(mode & 0o777).toString(8)}`;
  } catch {
    return null; // Opening the folder reports the problem.
  }
};
