import { concat, defer, EMPTY, forkJoin, map, of, switchMap, throwError, type Observable } from 'rxjs';
import { runAction } from '../../model/operators.js';
import { createRandomId, type Clock } from '../../clock.js';
import { openBlockLog, type BlockLog } from '../../log/open-block-log.js';
import { encodeValue } from '../../model/msgpack.js';
import { StorageError } from '../../model/errors.js';
import { createDamageError } from '../../model/stored-data.js';
import { createPrefixedStorage } from '../../storage/prefixed-storage.js';
import type { Version } from '../../model/version.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import type { Addition, History } from './history.js';
import { historyBlockForm } from './history-block.js';
import { decodeScopes, encodeScopes, type ScopeRecord } from '../scope/scope-records.js';
import { replaceLoneSurrogates } from '../../model/mixed-value.js';
import type { HistoryRecord } from './history-record.js';
import { createLatestStamp, type LatestStamp, readLatestStamp } from './latest-stamp.js';
import { openProjection, type Projection } from './projection.js';
import { createReplicaStore, putReplica, rejectedKey, runChangesOf, type ReplicaStore } from './replica-store.js';
import { createReplicaCache, type ReplicaCache } from '../realms/replica-cache.js';
import { openWatchedProperties, type WatchedProperties } from './watched-properties.js';
import { checkStoredTime, readValue, encodeRejection, type ReplicaCursor } from './record-codec.js';

const idKey = 'id';
const logPrefix = 'log/';
const retentionCutoffKey = 'horizon';
/** Escaped, because an id may contain anything, even half a surrogate pair. */
const scopesKey = (user: string): string => `scopes/${encodeURIComponent(replaceLoneSurrogates(user))}`;

interface OpenedHistory {
  readonly id: string;
  readonly log: BlockLog<HistoryRecord>;
  readonly projection: Projection;
  readonly total: number;
  readonly retentionCutoff: number;
  readonly latestStamp: LatestStamp;
  readonly replicas: ReplicaStore;
  readonly watchedProperties: WatchedProperties;
}

/**
 * A history on the server's own storage. A class, because a server has one for each of ten thousand open realms, and
 * each closure would be there as often.
 */
class StorageHistory implements History {
  readonly id: string;
  readonly log: BlockLog<HistoryRecord>;
  readonly projection: Projection;
  readonly watchedProperties: WatchedProperties;
  bytes: number;
  retentionCutoff: number;
  retentionCutoffFrom: Version;
  private readonly latestStamp: LatestStamp;
  private readonly replicas: ReplicaStore;

  constructor(
    private readonly storage: Storage,
    opened: OpenedHistory,
  ) {
    const { id, log, projection, total, retentionCutoff, latestStamp, replicas } = opened;
    this.id = id;
    this.log = log;
    this.projection = projection;
    this.watchedProperties = opened.watchedProperties;
    this.bytes = total;
    this.retentionCutoff = retentionCutoff;
    this.retentionCutoffFrom = log.head;
    this.latestStamp = latestStamp;
    this.replicas = replicas;
  }

  get latestStampTime(): number {
    return this.latestStamp.time;
  }

  get cursors$(): History['cursors$'] {
    return this.replicas.cursors$;
  }

  append(addition: Addition): Observable<never> {
    return defer(() => {
      const { storage, log } = this;
      const { after, changesets } = addition;
      if (after !== log.head)
        return throwError(() => new StorageError(`The history ends at ${log.head}, not at ${after}.`));
      const changes = log.toAppendChanges(after, changesets);
      pushReplicaChanges(changes, addition);
      const stamped = changesets.reduce((time, each) => Math.max(time, each.time), 0);
      changes.push(...this.latestStamp.toChanges(stamped)); // Last, as `clock-watch.ts` expects.
      const confirm$ = runAction(() => this.confirmAppend(addition, stamped));
      return concat(storage.batch(changes, { durable: true }), confirm$);
    });
  }

  trim(upTo: Version): Observable<never> {
    return defer(() => {
      const { storage, log, projection } = this;
      if (upTo > projection.cursor.version)
        throw new Error('Defect: the history must not be trimmed after the version of the objects.');
      const confirm$ = runAction(() => log.confirmTrim(upTo));
      const trim$ = log.readTrimChanges(upTo).pipe(switchMap((changes) => storage.batch(changes, { durable: true })));
      return concat(trim$, confirm$);
    });
  }

  raiseRetentionCutoff(to: number): Observable<never> {
    return defer(() => {
      this.retentionCutoff = Math.max(this.retentionCutoff, to);
      this.retentionCutoffFrom = Infinity; // Pending changesets may be older than the cutoff.
      const confirm$ = runAction(() => {
        this.retentionCutoffFrom = this.log.head;
      });
      const value = encodeValue(this.retentionCutoff);
      return concat(this.storage.batch([{ type: 'put', key: retentionCutoffKey, value }], { durable: true }), confirm$);
    });
  }

  readReplica(id: string): ReturnType<History['readReplica']> {
    return this.replicas.readReplica(id);
  }

  readRuns(id: string): ReturnType<History['readRuns']> {
    return this.replicas.readRuns(id);
  }

  createReplica(id: string, user: string): Observable<never> {
    return this.replicas.createReplica(id, user);
  }

  readRejected(id: string): ReturnType<History['readRejected']> {
    return this.replicas.readRejected(id);
  }

  forgetRejected(id: string, versions: readonly Version[]): Observable<never> {
    return this.replicas.forgetRejected(id, versions);
  }

  writeCursors(cursors: ReadonlyMap<string, ReplicaCursor>): Observable<never> {
    return this.replicas.writeCursors(cursors);
  }

  readScopes(user: string): ReturnType<History['readScopes']> {
    const key = scopesKey(user);
    return readValue(this.storage, key).pipe(map((value) => decodeScopes(key, value)));
  }

  writeScopes(user: string, scopes: readonly ScopeRecord[]): Observable<never> {
    const key = scopesKey(user);
    return defer(() => {
      const change: StorageChange =
        scopes.length === 0 ? { type: 'del', key } : { type: 'put', key, value: encodeScopes(scopes) };
      return this.storage.batch([change], { durable: false });
    });
  }

  forgetCursors(ids: readonly string[]): Observable<never> {
    return this.replicas.forgetCursors(ids);
  }

  close(): void {
    this.log.close();
  }

  private confirmAppend({ after, changesets, replicas }: Addition, stamped: number): void {
    this.latestStamp.raise(stamped);
    this.bytes = changesets.at(-1)?.total ?? this.bytes; // First, because followers of the new head may ask for it.
    for (const [replica, record] of replicas) this.replicas.remember(replica, record);
    if (changesets.length > 0) this.log.confirmAppend(after, changesets);
  }
}

/** Adds the changes that store replicas, rejections and runs. */
const pushReplicaChanges = (changes: StorageChange[], { replicas, rejected, runs }: Addition): void => {
  for (const [id, record] of replicas) changes.push(putReplica(id, record));
  for (const { replica, version, ...rejection } of rejected)
    changes.push({ type: 'put', key: rejectedKey(replica, version), value: encodeRejection(rejection) });
  for (const run of runs) changes.push(...runChangesOf(run));
};

/** Facts about the last changeset of a history. */
interface HistoryEnd {
  /** Bytes of the history. */
  readonly total: number;
  /** Whether the changeset has no touches. */
  readonly isUntouched: boolean;
}

/** Emits the end of a history: its last changeset, or the objects if the whole history is trimmed. */
const readEnd = (log: BlockLog<HistoryRecord>, { cursor }: Projection): Observable<HistoryEnd> =>
  log.head === log.floor
    ? of({ total: cursor.version === log.head ? cursor.total : 0, isUntouched: false })
    : log.page(log.head - 1).pipe(
        map(({ entries }) => {
          const last = entries.at(-1);
          return { total: last?.total ?? 0, isUntouched: last?.touches === undefined };
        }),
      );

/**
 * Watches the properties of a realm again from its head on, if an earlier version of the server has appended changesets
 * since they were watched: these have no touches, and the index lacks their objects.
 */
const closeGap = (
  storage: Storage,
  watched: WatchedProperties,
  head: Version,
  { isUntouched }: HistoryEnd,
): Observable<never> => {
  if (!isUntouched || [...watched.types.values()].every(({ since }) => since >= head)) return EMPTY;
  const unindex$ = storage.batch(watched.toUnindexedChanges(), { durable: true });
  return concat(
    unindex$,
    runAction(() => watched.confirmUnindexed()),
    watched.raiseSince(watched.types.keys(), head),
  );
};

const readRetentionCutoff = (storage: Storage): Observable<number> =>
  readValue(storage, retentionCutoffKey).pipe(
    map((value) => (value === undefined ? 0 : checkStoredTime(retentionCutoffKey, value))),
  );

/**
 * Returns the part of the server's storage for a realm. Names contain no slash, so prefixes of realms do not overlap.
 */
const realmStorageOf = (storage: Storage, realm: string): Storage => createPrefixedStorage(storage, `realm/${realm}/`);

const readHistoryId = (storage: Storage): Observable<string | null> =>
  readValue(storage, idKey).pipe(
    map((id) => {
      if (id === undefined) return null;
      if (typeof id === 'string') return id;
      throw createDamageError('record', idKey);
    }),
  );

/** Emits whether a realm has a history, once, and completes. */
export const hasHistory = (storage: Storage, realm: string): Observable<boolean> =>
  readHistoryId(realmStorageOf(storage, realm)).pipe(map((id) => id !== null));

/**
 * Opens the history of a realm on the server's own storage. Creates a missing history with a new id. Emits once and
 * completes. The caller must not open the same history twice at a time.
 */
export const openHistory = (
  storage: Storage,
  realm: string,
  clock: Pick<Clock, 'random'>,
  replicaCache: ReplicaCache = createReplicaCache(),
  stamped: (latest: number) => void = () => undefined,
): Observable<History> => {
  const realmStorage = realmStorageOf(storage, realm);
  const create$ = defer(() => {
    const id = createRandomId(clock);
    return concat(realmStorage.batch([{ type: 'put', key: idKey, value: encodeValue(id) }], { durable: true }), of(id));
  });
  const log$ = openBlockLog({ storage: realmStorage, prefix: logPrefix, ...historyBlockForm });
  const openWithId = (id: string): Observable<History> =>
    forkJoin([log$, openWatchedProperties(realmStorage)]).pipe(
      switchMap(([log, watchedProperties]) =>
        openProjection(realmStorage, log.floor, watchedProperties).pipe(
          switchMap((projection) =>
            forkJoin([readEnd(log, projection), readRetentionCutoff(realmStorage), readLatestStamp(realmStorage)]).pipe(
              switchMap(([end, retentionCutoff, time]) => {
                const latestStamp = createLatestStamp(time, stamped);
                const replicas = createReplicaStore(realmStorage, realm, replicaCache);
                const { total } = end;
                const opened = { id, log, projection, total, retentionCutoff, latestStamp, replicas };
                const history = new StorageHistory(realmStorage, { ...opened, watchedProperties });
                return concat(closeGap(realmStorage, watchedProperties, log.head, end), of(history));
              }),
            ),
          ),
        ),
      ),
    );
  return readHistoryId(realmStorage).pipe(
    switchMap((id) => (id === null ? create$ : of(id))),
    switchMap(openWithId),
  );
};
