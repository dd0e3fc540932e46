import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Why there is nothing to open at a place; `null`: there is. LevelDB would make a database where there is none. */
export const folderProblemOf = (place: string): string | null => {
  if (!existsSync(place)) return `there is no ${place}`;
  if (!statSync(place).isDirectory()) return `${place} is no folder: a realm is a folder that LevelDB keeps`;
  return existsSync(join(place, 'CURRENT')) ? null : `there is no LevelDB database in ${place}: it has no file CURRENT`;
};

/** The process that has locked a file, where the system tells (Linux does). */
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

/** What to do about a place that somebody else has open; `null`: it is not that. */
export const lockAdviceOf = (
  place: string,
  thrown: { readonly cause?: unknown },
  or = ', or inspect a copy of the folder',
): string | null => {
  if (!isLocked(thrown)) return null;
  const pid = lockHolderOf(join(place, 'LOCK'));
  const who =
    pid === null ? 'the app or server that has it open' : `process ${pid}${commandOf(pid)}, which has it open`;
  return `Close ${who}${or}.`;
};
