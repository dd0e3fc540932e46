import { firstValueFrom, type Observable } from 'rxjs';
import type { History } from '../server/history/history.js';

/** A place for a history, for one test. */
export interface HistoryCase {
  /**
   * Opens the history of this place, and makes it when there is none: the same one for each subscription. Emits once
   * and completes.
   */
  readonly open: Observable<History>;
  /** Resolves when the place is gone. */
  readonly close: () => Promise<void>;
}

/** One test of the suite, on a new place. Rejects with what is wrong. */
type HistoryTest = (one: HistoryCase) => Promise<void>;

export type HistoryTests = Readonly<Record<string, HistoryTest>>;

export const openHistory = ({ open }: HistoryCase): Promise<History> => firstValueFrom(open);

export const reopenHistory = async (one: HistoryCase, before: History): Promise<History> => {
  before.close();
  return openHistory(one);
};
