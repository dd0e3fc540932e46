import { defer, firstValueFrom, lastValueFrom } from 'rxjs';
import { openHistory } from '../../../lib/server/history/storage-history.js';
import { createReplicaCache } from '../../../lib/server/realms/replica-cache.js';
import type { OpenStorage } from '../../../lib/storage/storage.js';
import type { HistoryCase } from '../../../lib/testing/history-case.js';

const nothing = { defaultValue: undefined };

/** Opens a history on a storage that stays open. The server's memory of replicas is lost with each opening. */
export const openHistoryCase = async (open: OpenStorage): Promise<HistoryCase> => {
  const storage = await firstValueFrom(open);
  return {
    open: defer(() => openHistory(storage, 'team', { random: Math.random }, createReplicaCache())),
    close: () => lastValueFrom(storage.close(), nothing),
  };
};
