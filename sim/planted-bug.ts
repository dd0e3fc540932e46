/** A realistic bug: a text in a file of the compiled library, and the text that replaces it. */
export interface Bug {
  readonly name: string;
  readonly file: string;
  readonly original: string;
  readonly replacement: string;
}

export const createBug = (name: string, file: string, original: string, replacement: string): Bug => ({
  name,
  file,
  original,
  replacement,
});
