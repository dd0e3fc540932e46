import { concat, defer, EMPTY, map, of, switchMap, throwError, type Observable } from 'rxjs';
import { randomId, type Clock } from '../clock.js';
import type { Log } from '../log/log.js';
import { openLog } from '../log/open.js';
import { fromBytes, toBytes } from '../model/bytes.js';
import { bytesOf } from '../model/changeset.js';
import { StorageError } from '../model/errors.js';
import { isLeft } from '../model/result.js';
import { isVersion } from '../model/version.js';
import { prefixed } from '../storage/prefixed.js';
import type { Storage, StorageChange } from '../storage/storage.js';
import type { Addition, History, Recorded, ReplicaRecord } from './history.js';

const idKey = 'id';
const logPrefix = 'log/';
const replicaKey = (id: string): string => `replica/${id}`;

const valueAt = (storage: Storage, key: string): Observable<unknown> =>
  storage.range({ from: key, to: `${key} `, limit: 1, bytesMax: Infinity }).pipe(
    map(([entry]) => {
      if (entry === undefined) return undefined;
      const value = fromBytes(entry[1]);
      if (isLeft(value)) throw new StorageError(`the value of ${key} is torn: ${value.left}`);
      return value.right;
    }),
  );

const encode = ({ version, origin, time, count, body, total }: Recorded): Uint8Array =>
  toBytes([version, origin, time, count, body, total]);

const decode = (bytes: Uint8Array): Recorded => {
  const fields = fromBytes(bytes);
  if (isLeft(fields)) throw new TypeError(fields.left);
  const [version, origin, time, count, body, total] = fields.right as [
    number,
    string,
    number,
    number,
    Uint8Array,
    number,
  ];
  if (!isVersion(version) || typeof origin !== 'string' || !(body instanceof Uint8Array) || !isVersion(total))
    throw new TypeError('not a changeset');
  return { version, origin, time, count, body, total };
};

const recordOf = (id: string, value: unknown): ReplicaRecord | null => {
  if (value === undefined) return null;
  const [accepted, user] = Array.isArray(value) ? (value as unknown[]) : [];
  if (isVersion(accepted) && typeof user === 'string') return { accepted, user };
  throw new StorageError(`what is known of replica ${id} is torn`);
};

const put = (id: string, { accepted, user }: ReplicaRecord): StorageChange => ({
  type: 'put',
  key: replicaKey(id),
  value: toBytes([accepted, user]),
});

const appendTo =
  (storage: Storage, log: Log<Recorded>, told: (total: number) => void) =>
  ({ after, changesets, replicas }: Addition): Observable<never> =>
    defer(() => {
      if (after !== log.head)
        return throwError(() => new StorageError(`the history ends at ${log.head}, not at ${after}`));
      const changes = log.puts(after, changesets);
      for (const [id, record] of replicas) changes.push(put(id, record));
      const told$ = defer(() => {
        told(changesets.at(-1)?.total ?? 0); // First: who hears of the new head may ask for its bytes.
        log.appended(after, changesets);
        return EMPTY;
      });
      return concat(storage.batch(changes, { durable: true }), told$);
    });

const historyOn = (storage: Storage, id: string, log: Log<Recorded>, total: number): History => {
  let bytes = total;
  return {
    id,
    log,
    get bytes() {
      return bytes;
    },
    replica: (replica) => valueAt(storage, replicaKey(replica)).pipe(map((value) => recordOf(replica, value))),
    tie: (replica, user) => storage.batch([put(replica, { accepted: 0, user })], { durable: false }),
    append: appendTo(storage, log, (reached) => (bytes = reached)),
    close: () => log.close(),
  };
};

/** The bytes of a history, as its last changeset has them. */
const totalOf = (log: Log<Recorded>): Observable<number> =>
  log.head === log.floor ? of(0) : log.page(log.head - 1).pipe(map(({ entries }) => entries.at(-1)?.total ?? 0));

/** Where a realm lies on the server's storage. Names have no slash, so no realm's keys start with another's. */
const place = (storage: Storage, realm: string): Storage => prefixed(storage, `realm/${realm}/`);

const idOn = (storage: Storage): Observable<string | null> =>
  valueAt(storage, idKey).pipe(
    map((id) => {
      if (id === undefined) return null;
      if (typeof id === 'string') return id;
      throw new StorageError('the id of a history is torn');
    }),
  );

/** Whether a realm has a history. Emits once and completes. */
export const hasHistory = (storage: Storage, realm: string): Observable<boolean> =>
  idOn(place(storage, realm)).pipe(map((id) => id !== null));

/**
 * Opens the history of a realm on the server's own storage, and makes it, with an id of its own, when there is none.
 * Emits once and completes. One at a time: its owner sees to that.
 */
export const openHistory = (storage: Storage, realm: string, clock: Pick<Clock, 'random'>): Observable<History> => {
  const own = place(storage, realm);
  const made = defer(() => {
    const id = randomId(clock);
    return concat(own.batch([{ type: 'put', key: idKey, value: toBytes(id) }], { durable: true }), of(id));
  });
  return idOn(own).pipe(
    switchMap((id) => (id === null ? made : of(id))),
    switchMap((id) =>
      openLog<Recorded>({ storage: own, prefix: logPrefix, encode, decode, sizeOf: bytesOf }).pipe(
        switchMap((log) => totalOf(log).pipe(map((total) => historyOn(own, id, log, total)))),
      ),
    ),
  );
};
