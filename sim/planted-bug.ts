import type { Theme } from './themes.js';

/** A text in a file of the compiled library, and the text that replaces it. */
export interface BugEdit {
  readonly file: string;
  readonly original: string;
  readonly replacement: string;
}

/** A realistic bug. */
export interface Bug extends BugEdit {
  readonly name: string;
  /** More texts that are replaced, for a bug in several files. */
  readonly others?: readonly BugEdit[];
  /** The theme of the worlds that can find it. By default each theme in turns. */
  readonly theme?: Theme;
}

export const createBug = (name: string, file: string, original: string, replacement: string): Bug => ({
  name,
  file,
  original,
  replacement,
});

/** Returns a function that creates bugs for the worlds of one theme. */
export const createBugsFor =
  (theme: Theme) =>
  (...bug: Parameters<typeof createBug>): Bug => ({ ...createBug(...bug), theme });
