import type { Observable } from 'rxjs';

/** The output of a command: results and errors, one line each. */
export interface CliOutput {
  readonly printLine: (line: string) => void;
  readonly printError: (line: string) => void;
  /**
   * Shows progress and replaces the text before. An empty text ends it. Left out when the output is not a terminal.
   */
  readonly progress?: (text: string) => void;
}

/** The environment of a command. */
export interface CliEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Emits each time the process is asked to end. */
  readonly signals$: Observable<unknown>;
}
