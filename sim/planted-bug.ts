/** A bug as somebody might write it: in a file of the compiled library, what it says and what it says instead. */
export interface Bug {
  readonly name: string;
  readonly file: string;
  readonly original: string;
  readonly replacement: string;
}

export const createBug = (name: string, file: string, says: string, instead: string): Bug => ({
  name,
  file,
  original: says,
  replacement: instead,
});
