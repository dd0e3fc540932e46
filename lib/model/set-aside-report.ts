import type { ObjectSetAsideError } from './errors.js';

/** Objects that a page of the history, a snapshot or a rejected write has set aside. */
export interface SetAsideReport {
  /** The first server version that did so. */
  readonly version: number;
  readonly errors: readonly ObjectSetAsideError[];
}
