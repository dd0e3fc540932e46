import { mkdirSync, realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';

/** One folder, however its name is spelled. */
export interface Folder {
  /** Its real path: without links, trailing slashes and `..`, and in the case that the file system keeps. */
  readonly path: string;
  /** Device and inode: the same for two mounts of one folder, too. */
  readonly id: string;
}

/**
 * The folder at a location, which is made if it is not there. A location that cannot be a folder has its absolute path
 * as its identity.
 */
export const resolveFolder = (location: string): Folder => {
  try {
    mkdirSync(location, { recursive: true, mode: 0o700 }); // One that is there already stays as its owner made it.
    const path = realpathSync.native(location);
    const { dev, ino } = statSync(path, { bigint: true });
    return { path, id: `${dev}:${ino}` };
  } catch {
    const path = resolve(location); // The engine says what is wrong with it.
    return { path, id: path };
  }
};

/**
 * The folders that are open in this process. On the global object, because a process may have loaded this library more
 * than once.
 */
const getOpenFolders = (): Set<string> => {
  const holder = globalThis as Record<symbol, Set<string> | undefined>;
  return (holder[Symbol.for('tidemark.openFolders')] ??= new Set());
};

/**
 * Holds a folder for one storage of this process until the returned function is called; `null` when another storage
 * holds it.
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
 * The mode of a folder that other users of the machine may look into, as `0755`; `null`: they may not, or this system
 * has no such modes.
 */
export const sharedModeOf = (folder: string): string | null => {
  if (process.platform === 'win32') return null;
  try {
    const { mode } = statSync(folder);
    return (mode & othersMask) === 0 ? null : `0${(mode & 0o777).toString(8)}`;
  } catch {
    return null; // Who opens it is told what is wrong with it.
  }
};
