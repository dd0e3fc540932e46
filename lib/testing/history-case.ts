import { firstValueFrom, type Observable } from 'rxjs';
import type { History } from '../server/history/history.js';

/** The place of one history, for one test of `historySuite`. */
export interface HistoryCase {
  /**
   * Opens the history of this place, and creates it if it does not exist. Each subscription opens the same history.
   * Emits once and completes.
   */
  readonly open: Observable<History>;
  /** Resolves when the place is deleted. */
  readonly close: () => Promise<void>;
}

/** One test of the suite, on a new place. Rejects with the failure. */
type HistoryTest = (one: HistoryCase) => Promise<void>;

export type HistoryTests = Readonly<Record<string, HistoryTest>>;

export const openHistory = ({ open }: HistoryCase): Promise<History> => firstValueFrom(open);

export const reopenHistory = async (one: HistoryCase, before: History): Promise<History> => {
  before.close();
  return openHistory(one);
};
