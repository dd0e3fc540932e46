import type { Observable } from 'rxjs';

/** Knows whether everything up to the head of the history was received. */
export interface HeadReader {
  /** Number of received pages that may change what is read. */
  readonly pages: number;
  readonly isAtHead: boolean;
  /**
   * Completes as soon as everything up to the head was received. Never errors. `isForced`: also if a session takes no
   * page, because others wait for this one.
   */
  readonly untilHead: (isForced: boolean) => Observable<never>;
}
