import { isBytes } from '../../model/built-ins.js';
import { concat, defer, EMPTY, forkJoin, map, of, switchMap, throwError, type Observable } from 'rxjs';
import { createRandomId, type Clock } from '../../clock.js';
import type { Log } from '../../log/log.js';
import { openLog } from '../../log/open-log.js';
import { decodeValue, encodeValue } from '../../model/msgpack.js';
import { bytesOf } from '../../model/changeset.js';
import { StorageError } from '../../model/errors.js';
import { isLeft } from '../../model/result.js';
import { isCount } from '../../model/version.js';
import { createPrefixedStorage } from '../../storage/prefixed-storage.js';
import type { Storage } from '../../storage/storage.js';
import type { Addition, History } from './history.js';
import type { HistoryRecord } from './history-record.js';
import { createLatestStamp, type LatestStamp, readLatestStamp } from './latest-stamp.js';
import { openProjection, type Projection } from './projection.js';
import { createReplicaStore, putReplica, rejectedKey, runChangesOf, type RealmReplicaCache } from './replica-store.js';
import { createReplicaCache, type ReplicaCache } from '../realms/replica-cache.js';
import { readValue, encodeRejection } from './record-codec.js';

const idKey = 'id';
const logPrefix = 'log/';
const retentionCutoffKey = 'horizon';
const encode = ({ version, origin, time, count, body, total }: HistoryRecord): Uint8Array =>
  encodeValue([version, origin, time, count, body, total]);

const decode = (bytes: Uint8Array): HistoryRecord => {
  const fields = decodeValue(bytes);
  if (isLeft(fields)) throw new TypeError(fields.left);
  const [version, origin, time, count, body, total] = fields.right as [
    number,
    string,
    number,
    number,
    Uint8Array,
    number,
  ];
  if (!isCount(version) || typeof origin !== 'string' || !isBytes(body) || !isCount(total))
    throw new TypeError('not a changeset');
  return { version, origin, time, count, body, total };
};

const appendTo =
  (storage: Storage, log: Log<HistoryRecord>, latest: LatestStamp, told: (addition: Addition) => void) =>
  (addition: Addition): Observable<never> =>
    defer(() => {
      const { after, changesets, replicas, rejected, runs } = addition;
      if (after !== log.head)
        return throwError(() => new StorageError(`the history ends at ${log.head}, not at ${after}`));
      const changes = log.toAppendChanges(after, changesets);
      for (const [id, record] of replicas) changes.push(putReplica(id, record));
      for (const { replica, version, ...verdict } of rejected)
        changes.push({ type: 'put', key: rejectedKey(replica, version), value: encodeRejection(verdict) });
      for (const run of runs) changes.push(...runChangesOf(run));
      const stamped = changesets.reduce((time, each) => Math.max(time, each.time), 0);
      changes.push(...latest.toChanges(stamped)); // The last: `clock-watch.ts`.
      const told$ = defer(() => {
        latest.raise(stamped);
        told(addition); // First: who hears of the new head may ask for its bytes.
        if (changesets.length > 0) log.confirmAppend(after, changesets);
        return EMPTY;
      });
      return concat(storage.batch(changes, { durable: true }), told$);
    });

interface OpenedHistory {
  readonly id: string;
  readonly log: Log<HistoryRecord>;
  readonly projection: Projection;
  readonly total: number;
  readonly retentionCutoff: number;
  readonly latestStamp: LatestStamp;
  readonly replicaCache: RealmReplicaCache;
}

const createStorageHistory = (
  storage: Storage,
  { id, log, projection, total, retentionCutoff: stored, latestStamp, replicaCache }: OpenedHistory,
): History => {
  let bytes = total;
  let horizon = stored;
  let horizonFrom = log.head;
  return {
    id,
    log,
    projection,
    ...createReplicaStore(storage, replicaCache),
    get bytes() {
      return bytes;
    },
    get retentionCutoff() {
      return horizon;
    },
    get retentionCutoffFrom() {
      return horizonFrom;
    },
    get latestStampTime() {
      return latestStamp.time;
    },
    append: appendTo(storage, log, latestStamp, ({ changesets, replicas }) => {
      bytes = changesets.at(-1)?.total ?? bytes;
      for (const [replica, record] of replicas) replicaCache.set(replica, record);
    }),
    trim: (upTo) =>
      defer(() => {
        if (upTo > projection.cursor.version) throw new Error('defect: a trim past what the objects stand for');
        const trimmed$ = defer(() => {
          log.confirmTrim(upTo);
          return EMPTY;
        });
        return concat(storage.batch(log.toTrimChanges(upTo), { durable: true }), trimmed$);
      }),
    raiseRetentionCutoff: (to) =>
      defer(() => {
        horizon = Math.max(horizon, to);
        horizonFrom = Infinity; // What is on its way at this moment may not keep to it.
        const raised$ = defer(() => {
          horizonFrom = log.head;
          return EMPTY;
        });
        return concat(
          storage.batch([{ type: 'put', key: retentionCutoffKey, value: encodeValue(horizon) }], { durable: true }),
          raised$,
        );
      }),
    close: () => log.close(),
  };
};

/** The bytes of a history, as its last changeset has them; when all of it has been trimmed, as the objects do. */
const totalOf = (log: Log<HistoryRecord>, { cursor }: Projection): Observable<number> =>
  log.head === log.floor
    ? of(cursor.version === log.head ? cursor.total : 0)
    : log.page(log.head - 1).pipe(map(({ entries }) => entries.at(-1)?.total ?? 0));

const readRetentionCutoff = (storage: Storage): Observable<number> =>
  readValue(storage, retentionCutoffKey).pipe(
    map((value) => {
      if (value === undefined) return 0;
      if (typeof value === 'number') return value;
      throw new StorageError('the horizon of a history is torn');
    }),
  );

/** Where a realm lies on the server's storage. Names have no slash, so no realm's keys start with another's. */
const realmStorageOf = (storage: Storage, realm: string): Storage => createPrefixedStorage(storage, `realm/${realm}/`);

const readHistoryId = (storage: Storage): Observable<string | null> =>
  readValue(storage, idKey).pipe(
    map((id) => {
      if (id === undefined) return null;
      if (typeof id === 'string') return id;
      throw new StorageError('the id of a history is torn');
    }),
  );

/** Whether a realm has a history. Emits once and completes. */
export const hasHistory = (storage: Storage, realm: string): Observable<boolean> =>
  readHistoryId(realmStorageOf(storage, realm)).pipe(map((id) => id !== null));

/**
 * Opens the history of a realm on the server's own storage, and makes it, with an id of its own, when there is none.
 * Emits once and completes. One at a time: its owner sees to that.
 */
export const openHistory = (
  storage: Storage,
  realm: string,
  clock: Pick<Clock, 'random'>,
  remembered: ReplicaCache = createReplicaCache(),
  stamped: (latest: number) => void = () => undefined,
): Observable<History> => {
  const known: RealmReplicaCache = {
    get: (replica) => remembered.get(realm, replica),
    set: (replica, record) => remembered.set(realm, replica, record),
  };
  const own = realmStorageOf(storage, realm);
  const made = defer(() => {
    const id = createRandomId(clock);
    return concat(own.batch([{ type: 'put', key: idKey, value: encodeValue(id) }], { durable: true }), of(id));
  });
  const opened = (id: string): Observable<History> =>
    openLog<HistoryRecord>({ storage: own, prefix: logPrefix, encode, decode, sizeOf: bytesOf }).pipe(
      switchMap((log) =>
        openProjection(own, log.floor).pipe(
          switchMap((projection) =>
            forkJoin([totalOf(log, projection), readRetentionCutoff(own), readLatestStamp(own)]).pipe(
              map(([total, horizon, time]) => {
                const latest = createLatestStamp(time, stamped);
                return createStorageHistory(own, {
                  id,
                  log,
                  projection,
                  total,
                  retentionCutoff: horizon,
                  latestStamp: latest,
                  replicaCache: known,
                });
              }),
            ),
          ),
        ),
      ),
    );
  return readHistoryId(own).pipe(
    switchMap((id) => (id === null ? made : of(id))),
    switchMap(opened),
  );
};
