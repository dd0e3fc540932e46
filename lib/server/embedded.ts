import { isBytes } from '../model/built-ins.js';
import { concat, defer, EMPTY, forkJoin, map, of, reduce, switchMap, tap, throwError, type Observable } from 'rxjs';
import { randomId, type Clock } from '../clock.js';
import type { Log } from '../log/log.js';
import { openLog } from '../log/open.js';
import { fromBytes, toBytes } from '../model/bytes.js';
import { bytesOf } from '../model/changeset.js';
import { StorageError } from '../model/errors.js';
import { isLeft } from '../model/result.js';
import { isVersion, type Version } from '../model/version.js';
import { prefixed } from '../storage/prefixed.js';
import type { Storage, StorageChange, StorageEntry } from '../storage/storage.js';
import type { AcceptedRun, Addition, BegunRun, History, Refused, ReplicaRecord } from './history.js';
import type { Recorded } from './recorded.js';
import { createLatest, type Latest, latestOn } from './latest-stamp.js';
import { openProjection, type Projection } from './projection.js';
import { createRemembered, type Remembered } from './remembered.js';
import { recordBytes, recordIn, runBytes, runOfBytes } from './replica-records.js';
import { forgottenPlace } from './runs.js';
import { pagesUnder, sightingBytes, sightingIn, valueAt, verdictBytes, verdictIn } from './stored.js';

const idKey = 'id';
const logPrefix = 'log/';
const replicaKey = (id: string): string => `replica/${id}`;

const horizonKey = 'horizon';
const seenPrefix = 'seen/';
/** An id may hold a slash. */
const refusedPrefix = (id: string): string => `refused/${encodeURIComponent(id)}/`;
const refusedKey = (id: string, version: Version): string =>
  `${refusedPrefix(id)}${version.toString(36).padStart(11, '0')}`;

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
  if (!isVersion(version) || typeof origin !== 'string' || !isBytes(body) || !isVersion(total))
    throw new TypeError('not a changeset');
  return { version, origin, time, count, body, total };
};

const put = (id: string, record: ReplicaRecord): StorageChange => ({
  type: 'put',
  key: replicaKey(id),
  value: recordBytes(record),
});

const runsPrefix = (id: string): string => `run/${encodeURIComponent(id)}/`;
const runKey = (id: string, place: number): string => `${runsPrefix(id)}${place.toString(36).padStart(11, '0')}`;

/** A run that begins, and what is forgotten for it. */
const began = ({ replica, run }: BegunRun): readonly StorageChange[] => {
  const gone = forgottenPlace(run);
  const begin: StorageChange = { type: 'put', key: runKey(replica, run.place), value: runBytes(run) };
  return gone > 0 ? [begin, { type: 'del', key: runKey(replica, gone) }] : [begin];
};

const appendTo =
  (storage: Storage, log: Log<Recorded>, latest: Latest, told: (addition: Addition) => void) =>
  (addition: Addition): Observable<never> =>
    defer(() => {
      const { after, changesets, replicas, refused, runs } = addition;
      if (after !== log.head)
        return throwError(() => new StorageError(`the history ends at ${log.head}, not at ${after}`));
      const changes = log.puts(after, changesets);
      for (const [id, record] of replicas) changes.push(put(id, record));
      for (const { replica, version, ...verdict } of refused)
        changes.push({ type: 'put', key: refusedKey(replica, version), value: verdictBytes(verdict) });
      for (const run of runs) changes.push(...began(run));
      const stamped = changesets.reduce((time, each) => Math.max(time, each.time), 0);
      changes.push(...latest.puts(stamped)); // The last: `clock-watch.ts`.
      const told$ = defer(() => {
        latest.raise(stamped);
        told(addition); // First: who hears of the new head may ask for its bytes.
        if (changesets.length > 0) log.appended(after, changesets);
        return EMPTY;
      });
      return concat(storage.batch(changes, { durable: true }), told$);
    });

/** The record of a replica that has uploaded nothing. */
const unheard = (user: string): ReplicaRecord => ({ accepted: 0, user, hasRefused: false, stamp: null, run: null });

/** What is known of replicas besides their cursors. */
const remembering = (
  storage: Storage,
  known: Known,
): Pick<History, 'replica' | 'runs' | 'tie' | 'refused' | 'forget' | 'sight' | 'unsight' | 'sightings$'> => ({
  replica: (id) =>
    defer(() => {
      const record = known.of(id);
      if (record) return of(record);
      return valueAt(storage, replicaKey(id)).pipe(
        map((value) => recordIn(id, value)),
        tap((read) => read && known.note(id, read)),
      );
    }),
  tie: (id, user) => storage.batch([put(id, unheard(user))], { durable: false }),
  runs: (id) =>
    pagesUnder(storage, runsPrefix(id)).pipe(
      reduce<readonly StorageEntry[], AcceptedRun[]>((all, page) => {
        for (const [, bytes] of page) all.push(runOfBytes(bytes));
        return all;
      }, []),
    ),
  refused: (id) =>
    pagesUnder(storage, refusedPrefix(id)).pipe(
      map((page) =>
        page.map(([key, bytes]): Refused => {
          const version = parseInt(key.slice(refusedPrefix(id).length), 36);
          return { replica: id, version, ...verdictIn(bytes) };
        }),
      ),
      reduce<readonly Refused[], readonly Refused[]>((all, page) => [...all, ...page], []),
    ),
  forget: (id, versions) =>
    storage.batch(
      versions.map((version): StorageChange => ({ type: 'del', key: refusedKey(id, version) })),
      { durable: false },
    ),
  sight: (sightings) =>
    storage.batch(
      [...sightings].map(([id, sighting]) => ({ type: 'put', key: seenPrefix + id, value: sightingBytes(sighting) })),
      { durable: false },
    ),
  unsight: (ids) =>
    storage.batch(
      ids.map((id): StorageChange => ({ type: 'del', key: seenPrefix + id })),
      { durable: false },
    ),
  sightings$: pagesUnder(storage, seenPrefix).pipe(
    map((page) => page.map(([key, bytes]) => [key.slice(seenPrefix.length), sightingIn(bytes)] as const)),
  ),
});

/** What is remembered of the replicas of one realm. */
interface Known {
  readonly of: (replica: string) => ReplicaRecord | undefined;
  readonly note: (replica: string, record: ReplicaRecord) => void;
}

interface Found {
  readonly id: string;
  readonly log: Log<Recorded>;
  readonly projection: Projection;
  readonly total: number;
  readonly horizon: number;
  readonly latest: Latest;
  readonly known: Known;
}

const historyOn = (
  storage: Storage,
  { id, log, projection, total, horizon: stored, latest, known }: Found,
): History => {
  let bytes = total;
  let horizon = stored;
  let horizonFrom = log.head;
  return {
    id,
    log,
    projection,
    ...remembering(storage, known),
    get bytes() {
      return bytes;
    },
    get horizon() {
      return horizon;
    },
    get horizonFrom() {
      return horizonFrom;
    },
    get latest() {
      return latest.time;
    },
    append: appendTo(storage, log, latest, ({ changesets, replicas }) => {
      bytes = changesets.at(-1)?.total ?? bytes;
      for (const [replica, record] of replicas) known.note(replica, record);
    }),
    trim: (upTo) =>
      defer(() => {
        if (upTo > projection.cursor.version) throw new Error('defect: a trim past what the objects stand for');
        const trimmed$ = defer(() => {
          log.trimmed(upTo);
          return EMPTY;
        });
        return concat(storage.batch(log.trims(upTo), { durable: true }), trimmed$);
      }),
    raise: (to) =>
      defer(() => {
        horizon = Math.max(horizon, to);
        horizonFrom = Infinity; // What is on its way at this moment may not keep to it.
        const raised$ = defer(() => {
          horizonFrom = log.head;
          return EMPTY;
        });
        return concat(
          storage.batch([{ type: 'put', key: horizonKey, value: toBytes(horizon) }], { durable: true }),
          raised$,
        );
      }),
    close: () => log.close(),
  };
};

/** The bytes of a history, as its last changeset has them; when all of it has been trimmed, as the objects do. */
const totalOf = (log: Log<Recorded>, { cursor }: Projection): Observable<number> =>
  log.head === log.floor
    ? of(cursor.version === log.head ? cursor.total : 0)
    : log.page(log.head - 1).pipe(map(({ entries }) => entries.at(-1)?.total ?? 0));

const horizonOn = (storage: Storage): Observable<number> =>
  valueAt(storage, horizonKey).pipe(
    map((value) => {
      if (value === undefined) return 0;
      if (typeof value === 'number') return value;
      throw new StorageError('the horizon of a history is torn');
    }),
  );

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
export const openHistory = (
  storage: Storage,
  realm: string,
  clock: Pick<Clock, 'random'>,
  remembered: Remembered = createRemembered(),
  stamped: (latest: number) => void = () => undefined,
): Observable<History> => {
  const known: Known = {
    of: (replica) => remembered.of(realm, replica),
    note: (replica, record) => remembered.note(realm, replica, record),
  };
  const own = place(storage, realm);
  const made = defer(() => {
    const id = randomId(clock);
    return concat(own.batch([{ type: 'put', key: idKey, value: toBytes(id) }], { durable: true }), of(id));
  });
  const opened = (id: string): Observable<History> =>
    openLog<Recorded>({ storage: own, prefix: logPrefix, encode, decode, sizeOf: bytesOf }).pipe(
      switchMap((log) =>
        openProjection(own, log.floor).pipe(
          switchMap((projection) =>
            forkJoin([totalOf(log, projection), horizonOn(own), latestOn(own)]).pipe(
              map(([total, horizon, time]) => {
                const latest = createLatest(time, stamped);
                return historyOn(own, { id, log, projection, total, horizon, latest, known });
              }),
            ),
          ),
        ),
      ),
    );
  return idOn(own).pipe(
    switchMap((id) => (id === null ? made : of(id))),
    switchMap(opened),
  );
};
