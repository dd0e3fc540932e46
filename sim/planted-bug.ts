import type { Theme } from './themes.js';

/** A realistic bug: a text in a file of the compiled library, and the text that replaces it. */
export interface Bug {
  readonly name: string;
  readonly file: string;
  readonly original: string;
  readonly replacement: string;
  /** The theme of the worlds that can find it. By default each theme in turns. */
  readonly theme?: Theme;
}

export const createBug = (name: string, file: string, original: string, replacement: string): Bug => ({
  name,
  file,
  original,
  replacement,
});
