import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The reason why there is no database at a path; `null` if there is one. LevelDB would create a missing one. */
export const folderProblemOf = (path: string): string | null => {
  if (!existsSync(path)) return `${path} does not exist.`;
  if (!statSync(path).isDirectory()) return `${path} is not a folder. A realm is a folder of LevelDB.`;
  return existsSync(join(path, 'CURRENT')) ? null : `${path} is not a LevelDB database: it has no file CURRENT.`;
};

/** The process that has locked a file, where the system reports it (Linux does). */
const lockHolderOf = (file: string): number | null => {
  try {
    const { ino } = statSync(file);
    const locks = readFileSync('/proc/locks', 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
    // 1: POSIX ADVISORY WRITE <pid> <major:minor:inode> <from> <to>
    const pid = Number(locks.find((fields) => fields[5]?.endsWith(`:${ino}`) === true)?.[4]);
    return pid > 0 ? pid : null;
  } catch {
    return null;
  }
};

const commandOf = (pid: number): string => {
  try {
    return ` (${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 200)})`;
  } catch {
    return '';
  }
};

const isLocked = (thrown: { readonly cause?: unknown }): boolean =>
  (thrown.cause as { readonly code?: unknown } | undefined)?.code === 'LEVEL_LOCKED';

/** The advice for a database that another process has open; `null` for other errors. */
export const lockAdviceOf = (
  path: string,
  thrown: { readonly cause?: unknown },
  or = ', or inspect a copy of the folder',
): string | null => {
  if (!isLocked(thrown)) return null;
  const pid = lockHolderOf(join(path, 'LOCK'));
  const holder =
    pid === null ? 'the app or server that has it open' : `process ${pid}${commandOf(pid)}, which has it open`;
  return `Close ${holder}${or}.`;
};
