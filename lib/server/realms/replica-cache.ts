import { serverLimits } from '../server-limits.js';
import type { ReplicaRecord } from '../history/history.js';

/**
 * Caches records of replicas, by realm, in an LRU cache. After a short loss of the network thousands of replicas return
 * at once without a read of the storage for each. The cache contains only what is stored, and only this process writes
 * it.
 */
export interface ReplicaCache {
  readonly get: (realm: string, replica: string) => ReplicaRecord | undefined;
  readonly set: (realm: string, replica: string, record: ReplicaRecord) => void;
}

export const createReplicaCache = (sizeMax: number = serverLimits.replicasRememberedMax): ReplicaCache => {
  const records = new Map<string, ReplicaRecord>(); // In the order of use: the record that was used last is last.
  /** A realm's name contains no slash. */
  const keyOf = (realm: string, replica: string): string => `${realm}/${replica}`;

  const note = (key: string, record: ReplicaRecord): void => {
    records.delete(key);
    records.set(key, record);
    if (records.size <= sizeMax) return;
    for (const oldest of records.keys()) {
      records.delete(oldest);
      return;
    }
  };
  return {
    get: (realm, replica) => {
      const key = keyOf(realm, replica);
      const record = records.get(key);
      if (record) note(key, record);
      return record;
    },
    set: (realm, replica, record) => note(keyOf(realm, replica), record),
  };
};
