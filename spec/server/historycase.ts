import { defer, firstValueFrom, lastValueFrom } from 'rxjs';
import { openHistory } from '../../lib/server/embedded.js';
import { createRemembered } from '../../lib/server/remembered.js';
import type { OpenStorage } from '../../lib/storage/storage.js';
import type { HistoryCase } from '../../lib/testing/history.js';

const nothing = { defaultValue: undefined };

/** A history on a storage that stays open; what a server has in memory of replicas is not there the next time. */
export const historyOn = async (open: OpenStorage): Promise<HistoryCase> => {
  const storage = await firstValueFrom(open);
  return {
    open: defer(() => openHistory(storage, 'team', { random: Math.random }, createRemembered())),
    close: () => lastValueFrom(storage.close(), nothing),
  };
};
