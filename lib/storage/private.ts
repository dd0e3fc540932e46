import { statSync } from 'node:fs';

const othersMask = 0o077;

/** The mode of a folder that other users of the machine may look into, as `0755`; `null`: they may not, or this system has no such modes. */
export const modeForOthers = (folder: string): string | null => {
  if (process.platform === 'win32') return null;
  try {
    const { mode } = statSync(folder);
    return (mode & othersMask) === 0 ? null : `0${(mode & 0o777).toString(8)}`;
  } catch {
    return null; // Who opens it is told what is wrong with it.
  }
};
