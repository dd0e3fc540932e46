import { defer, map, of, reduce, tap } from 'rxjs';
import { parseSortableText, sortableTextOf } from '../../model/sortable-number.js';
import type { Version } from '../../model/version.js';
import type { Storage, StorageChange, StorageEntry } from '../../storage/storage.js';
import type { AcceptedRun, History, RejectionRecord, ReplicaRecord, RunStart } from './history.js';
import { forgottenRunNumberOf } from '../realms/accepted-runs.js';
import { encodeReplicaRecord, toReplicaRecord, encodeRun, decodeRun } from '../realms/replica-records.js';
import {
  readPagesUnder,
  encodeReplicaCursor,
  decodeReplicaCursor,
  readValue,
  decodeRejection,
} from './record-codec.js';

const replicaKey = (id: string): string => `replica/${id}`;
const cursorPrefix = 'seen/';
/** Escaped, because an id may contain a slash. */
const rejectedPrefix = (id: string): string => `refused/${encodeURIComponent(id)}/`;
export const rejectedKey = (id: string, version: Version): string => `${rejectedPrefix(id)}${sortableTextOf(version)}`;

export const putReplica = (id: string, record: ReplicaRecord): StorageChange => ({
  type: 'put',
  key: replicaKey(id),
  value: encodeReplicaRecord(record),
});

const runsPrefix = (id: string): string => `run/${encodeURIComponent(id)}/`;
const runKey = (id: string, number: number): string => `${runsPrefix(id)}${sortableTextOf(number)}`;

/** Returns the changes that store a new run and delete the oldest one. */
export const runChangesOf = ({ replica, run }: RunStart): readonly StorageChange[] => {
  const forgotten = forgottenRunNumberOf(run);
  const put: StorageChange = { type: 'put', key: runKey(replica, run.number), value: encodeRun(run) };
  return forgotten > 0 ? [put, { type: 'del', key: runKey(replica, forgotten) }] : [put];
};

/** Cache of the replica records of one realm. */
export interface RealmReplicaCache {
  readonly get: (replica: string) => ReplicaRecord | undefined;
  readonly set: (replica: string, record: ReplicaRecord) => void;
}

/** Creates the record of a replica without uploads. */
const createEmptyRecord = (user: string): ReplicaRecord => ({
  accepted: 0,
  user,
  hasRejected: false,
  stamp: null,
  run: null,
});

type ReplicaStore = Pick<
  History,
  | 'readReplica'
  | 'readRuns'
  | 'createReplica'
  | 'readRejected'
  | 'forgetRejected'
  | 'writeCursors'
  | 'forgetCursors'
  | 'cursors$'
>;

/** Creates the part of a history that stores replicas, their rejections and cursors. */
export const createReplicaStore = (storage: Storage, cache: RealmReplicaCache): ReplicaStore => ({
  readReplica: (id) =>
    defer(() => {
      const record = cache.get(id);
      if (record) return of(record);
      const key = replicaKey(id);
      return readValue(storage, key).pipe(
        map((value) => toReplicaRecord(key, value)),
        tap((read) => read && cache.set(id, read)),
      );
    }),
  createReplica: (id, user) => storage.batch([putReplica(id, createEmptyRecord(user))], { durable: false }),
  readRuns: (id) =>
    readPagesUnder(storage, runsPrefix(id)).pipe(
      reduce<readonly StorageEntry[], AcceptedRun[]>((all, page) => {
        for (const entry of page) all.push(decodeRun(...entry));
        return all;
      }, []),
    ),
  readRejected: (id) =>
    readPagesUnder(storage, rejectedPrefix(id)).pipe(
      map((page) =>
        page.map(([key, bytes]): RejectionRecord => {
          const version = parseSortableText(key.slice(rejectedPrefix(id).length), key);
          return { replica: id, version, ...decodeRejection(key, bytes) };
        }),
      ),
      reduce<readonly RejectionRecord[], readonly RejectionRecord[]>((all, page) => [...all, ...page], []),
    ),
  forgetRejected: (id, versions) =>
    storage.batch(
      versions.map((version): StorageChange => ({ type: 'del', key: rejectedKey(id, version) })),
      { durable: false },
    ),
  writeCursors: (cursors) =>
    storage.batch(
      [...cursors].map(([id, cursor]) => ({
        type: 'put',
        key: cursorPrefix + id,
        value: encodeReplicaCursor(cursor),
      })),
      { durable: false },
    ),
  forgetCursors: (ids) =>
    storage.batch(
      ids.map((id): StorageChange => ({ type: 'del', key: cursorPrefix + id })),
      { durable: false },
    ),
  cursors$: readPagesUnder(storage, cursorPrefix).pipe(
    map((page) =>
      page.map(([key, bytes]) => [key.slice(cursorPrefix.length), decodeReplicaCursor(key, bytes)] as const),
    ),
  ),
});
