import { defer, map, of, reduce, tap, type Observable } from 'rxjs';
import { parseSortableText, sortableTextOf } from '../../model/sortable-number.js';
import type { Version } from '../../model/version.js';
import type { Storage, StorageChange, StorageEntry } from '../../storage/storage.js';
import type { AcceptedRun, History, RejectionRecord, ReplicaRecord, RunStart } from './history.js';
import { forgottenRunNumberOf } from '../realms/accepted-runs.js';
import type { ReplicaCache } from '../realms/replica-cache.js';
import { encodeReplicaRecord, toReplicaRecord, encodeRun, decodeRun } from '../realms/replica-records.js';
import {
  readPagesUnder,
  encodeReplicaCursor,
  decodeReplicaCursor,
  type ReplicaCursor,
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

/** Creates the record of a replica without uploads. */
const createEmptyRecord = (user: string): ReplicaRecord => ({
  accepted: 0,
  user,
  hasRejected: false,
  stamp: null,
  run: null,
});

/** The part of a history that stores replicas, their rejections and cursors. */
export interface ReplicaStore extends Pick<
  History,
  | 'readReplica'
  | 'readRuns'
  | 'createReplica'
  | 'readRejected'
  | 'forgetRejected'
  | 'writeCursors'
  | 'forgetCursors'
  | 'cursors$'
> {
  /** Keeps a record that was stored. */
  readonly remember: (replica: string, record: ReplicaRecord) => void;
}

/** A class, because a server has one for each open realm. */
class StoredReplicas implements ReplicaStore {
  constructor(
    private readonly storage: Storage,
    private readonly realm: string,
    private readonly cache: ReplicaCache,
  ) {}

  readReplica(id: string): Observable<ReplicaRecord | null> {
    return defer(() => {
      const record = this.cache.get(this.realm, id);
      if (record) return of(record);
      const key = replicaKey(id);
      return readValue(this.storage, key).pipe(
        map((value) => toReplicaRecord(key, value)),
        tap((read) => read && this.remember(id, read)),
      );
    });
  }

  remember(id: string, record: ReplicaRecord): void {
    this.cache.set(this.realm, id, record);
  }

  createReplica(id: string, user: string): Observable<never> {
    return this.storage.batch([putReplica(id, createEmptyRecord(user))], { durable: false });
  }

  readRuns(id: string): Observable<readonly AcceptedRun[]> {
    return readPagesUnder(this.storage, runsPrefix(id)).pipe(
      reduce<readonly StorageEntry[], AcceptedRun[]>((all, page) => {
        for (const entry of page) all.push(decodeRun(...entry));
        return all;
      }, []),
    );
  }

  readRejected(id: string): Observable<readonly RejectionRecord[]> {
    return readPagesUnder(this.storage, rejectedPrefix(id)).pipe(
      map((page) =>
        page.map(([key, bytes]): RejectionRecord => {
          const version = parseSortableText(key.slice(rejectedPrefix(id).length), key);
          return { replica: id, version, ...decodeRejection(key, bytes) };
        }),
      ),
      reduce<readonly RejectionRecord[], readonly RejectionRecord[]>((all, page) => [...all, ...page], []),
    );
  }

  forgetRejected(id: string, versions: readonly Version[]): Observable<never> {
    return this.storage.batch(
      versions.map((version): StorageChange => ({ type: 'del', key: rejectedKey(id, version) })),
      { durable: false },
    );
  }

  writeCursors(cursors: ReadonlyMap<string, ReplicaCursor>): Observable<never> {
    return this.storage.batch(
      [...cursors].map(([id, cursor]) => ({
        type: 'put',
        key: cursorPrefix + id,
        value: encodeReplicaCursor(cursor),
      })),
      { durable: false },
    );
  }

  forgetCursors(ids: readonly string[]): Observable<never> {
    return this.storage.batch(
      ids.map((id): StorageChange => ({ type: 'del', key: cursorPrefix + id })),
      { durable: false },
    );
  }

  get cursors$(): History['cursors$'] {
    return readPagesUnder(this.storage, cursorPrefix).pipe(
      map((page) =>
        page.map(([key, bytes]) => [key.slice(cursorPrefix.length), decodeReplicaCursor(key, bytes)] as const),
      ),
    );
  }
}

/** Creates the part of a history that stores replicas, their rejections and cursors. */
export const createReplicaStore = (storage: Storage, realm: string, cache: ReplicaCache): ReplicaStore =>
  new StoredReplicas(storage, realm, cache);
