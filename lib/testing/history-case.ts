import { firstValueFrom, type Observable } from 'rxjs';
import type { History } from '../server/history/history.js';

/**
 * The location of one history, for one test of `historySuite`.
 *
 * @see {@link historySuite}
 */
export interface HistoryCase {
  /**
   * Opens the history of this location, and creates it if it does not exist. Cold: each subscription opens the same
   * history. Emits once and completes. Errors with a `StorageError`. The value is the open history.
   */
  readonly open: Observable<History>;
  /**
   * Deletes the location.
   *
   * @returns A promise that resolves when the location is deleted.
   */
  readonly close: () => Promise<void>;
}

/** One test of the suite, on a new location. Rejects with the failure. */
type HistoryTest = (one: HistoryCase) => Promise<void>;

export type HistoryTests = Readonly<Record<string, HistoryTest>>;

export const openHistory = ({ open }: HistoryCase): Promise<History> => firstValueFrom(open);

export const reopenHistory = async (one: HistoryCase, before: History): Promise<History> => {
  before.close();
  return openHistory(one);
};
