import type { Observable } from 'rxjs';

/** Where a command says what it found, and what is wrong; a line each. */
export interface CliOutput {
  readonly printLine: (line: string) => void;
  readonly printError: (line: string) => void;
  /**
   * Shows how far something is, in place of what it showed last; left out: nobody is looking. An empty text ends it.
   */
  readonly progress?: (text: string) => void;
}

/** What a command is told by its process. */
export interface CliEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Emits each time the process is asked to end. */
  readonly signals$: Observable<unknown>;
}
