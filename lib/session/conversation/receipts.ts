import type { Subscription } from 'rxjs';
import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';

/** Confirms the stored downloads of one conversation to the server. */
export interface Receipts {
  /** Everything up to a server version is stored. `bytes` is the size of the download that ends there. */
  readonly add: (version: Version, bytes: number) => void;
  /** Sends nothing more. */
  readonly stop: () => void;
}

/**
 * Creates the receipts of one conversation. One `received` confirms all downloads of a second, or of a quarter of the
 * server's window: a confirmation of each change took a quarter of a reader's time and a third of the server's.
 *
 * A plain object, because it is called for every message.
 */
export const createReceipts = ({ scheduler }: Pick<Clock, 'scheduler'>, send: (version: Version) => void): Receipts => {
  let unconfirmed = 0;
  let latest = 0;
  let waiting: Subscription | null = null;

  const stop = (): void => {
    waiting?.unsubscribe();
    waiting = null;
  };
  const confirm = (): void => {
    stop();
    unconfirmed = 0;
    send(latest);
  };
  return {
    add: (version, bytes) => {
      latest = version;
      unconfirmed += bytes + limits.downloadBytesMore;
      if (unconfirmed >= limits.receiptBytesMax) confirm();
      else waiting ??= scheduler.schedule(confirm, limits.receiptMsMax);
    },
    stop,
  };
};
