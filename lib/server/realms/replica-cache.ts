import { limits } from '../../model/limits.js';
import type { ReplicaRecord } from '../history/history.js';

/**
 * What was last known of replicas, by realm: so that thousands who come back at once, because their network was gone
 * for a moment, need not each be read from the storage. Only what is stored is in here, and only this process writes
 * it.
 */
export interface ReplicaCache {
  readonly get: (realm: string, replica: string) => ReplicaRecord | undefined;
  readonly set: (realm: string, replica: string, record: ReplicaRecord) => void;
}

export const createReplicaCache = (most: number = limits.replicasRememberedMax): ReplicaCache => {
  const records = new Map<string, ReplicaRecord>(); // The one that was used last is the last.
  /** No name of a realm has a slash. */
  const placeOf = (realm: string, replica: string): string => `${realm}/${replica}`;

  const note = (place: string, record: ReplicaRecord): void => {
    records.delete(place);
    records.set(place, record);
    if (records.size <= most) return;
    for (const oldest of records.keys()) {
      records.delete(oldest);
      return;
    }
  };
  return {
    get: (realm, replica) => {
      const place = placeOf(realm, replica);
      const record = records.get(place);
      if (record) note(place, record);
      return record;
    },
    set: (realm, replica, record) => note(placeOf(realm, replica), record),
  };
};
