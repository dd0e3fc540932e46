/** A bug as somebody might write it: in a file of the compiled library, what it says and what it says instead. */
export interface Bug {
  readonly name: string;
  readonly file: string;
  readonly says: string;
  readonly instead: string;
}

export const bug = (name: string, file: string, says: string, instead: string): Bug => ({ name, file, says, instead });
