import type { ObjectSetAsideError } from './errors.js';

/** Objects that a page of the history, a snapshot or a refusal has set aside. */
export interface SetAsideReport {
  /** The server version that did so first. */
  readonly version: number;
  readonly errors: readonly ObjectSetAsideError[];
}
