import { concat, defer, forkJoin, map, type Observable, of, switchMap, throwError } from 'rxjs';
import { type Clock, randomId } from '../clock.js';
import { fromBytes, toBytes } from '../model/bytes.js';
import type { Instant } from '../model/changeset.js';
import { StorageError } from '../model/errors.js';
import { isLeft } from '../model/result.js';
import { isVersion, type Version } from '../model/version.js';
import { rangeAt, type Storage, type StorageChange } from '../storage/storage.js';
import { metaKey, ownerKey, runsKey } from './keys.js';
import { nobody, type Owner, ownerFrom } from './owner.js';
import { runsFrom, type StoredRun } from './runs.js';

/** What a realm knows of itself. It changes in the same batch as what it speaks of. */
export interface Meta extends MetaRecord {
  /** The runs that wrote what the server may not have, under a key of their own. */
  readonly runs: readonly StoredRun[];
  /** Whose copy this is, under a key of its own. */
  readonly owner: Owner;
}

interface MetaRecord {
  /** Who this copy of the realm is: drawn when it is made, kept with the data. */
  readonly replica: string;
  /** The server's history it belongs to; `null` before the first bind, and from a reset until the next one. */
  readonly history: string | null;
  /** Whether it has ever belonged to one, and not discarded everything since: what is unsent is for that server, however the realm is opened. */
  readonly bound: boolean;
  /** The server version up to which everything is here. */
  readonly seen: Version;
  /** The client version up to which the server has everything. */
  readonly acknowledged: Version;
  /** Bytes of the history up to `seen`, and of all of it as the server last said: progress goes on after a restart. */
  readonly seenBytes: number;
  readonly headBytes: number;
  /** Bytes of everything that was ever acknowledged. */
  readonly acknowledgedBytes: number;
  /** How many changesets the server has ever refused. */
  readonly refused: Version;
  /** The app's version of its schema that the objects were last migrated to. */
  readonly schemaVersion: number;
  /** The hybrid logical clock: the instant of the last operation written or seen. */
  readonly clock: Instant;
  /** The latest instant of what came from others or is on the server. What is stamped again stays later. */
  readonly witnessed: Instant;
  /** Milliseconds that the server's clock was ahead of this device's when that was last heard; 0: by too little to tell. */
  readonly offset: number;
  /** Whether what this replica wrote itself has to come down, too: since a snapshot, until it has caught up. */
  readonly own: boolean;
  /** What was deleted or removed before this time is forgotten here: see `forget.ts`. */
  readonly forgotten: number;
}

const format = 'tidemark realm 2';
const formatBefore = 'tidemark realm 1';

/** One array as it is: this is written with every batch. */
export const metaPut = (meta: MetaRecord): StorageChange => {
  const { replica, history, seen, acknowledged, clock, witnessed, seenBytes, headBytes, acknowledgedBytes } = meta;
  const { refused, schemaVersion, offset, own, forgotten, bound } = meta;
  // prettier-ignore
  const fields = [
    format, replica, history, seen, acknowledged, clock.time, clock.count,
    seenBytes, headBytes, acknowledgedBytes, refused, schemaVersion,
    witnessed.time, witnessed.count, offset, own, forgotten, bound,
  ];
  return { type: 'put', key: metaKey, value: toBytes(fields) };
};

const foreign = (text: string): StorageError =>
  new StorageError(`This storage holds no realm of this library: ${text}. It was left as it is.`);

const tooOld = (): StorageError =>
  new StorageError(
    'This storage holds a realm of a development version before 0.1.0, which this version cannot read. It was left as it is. Open it with that version, or use another storage.',
  );

const isOffset = (given: unknown): given is number => Number.isSafeInteger(given);

const metaFrom = (bytes: Uint8Array): MetaRecord => {
  const read = fromBytes(bytes);
  const fields: readonly unknown[] = isLeft(read) || !Array.isArray(read.right) ? [] : read.right;
  const [found, replica, history, seen, acknowledged, time, count, ...totals] = fields;
  // Realms of before have never heard of the last ones. That they may have seen all up to their clock is always safe to say.
  const [seenBytes, headBytes, acknowledgedBytes, refused = 0, schemaVersion = 0, ...heard] = totals;
  const [witnessedTime = time, witnessedCount = count, offset = 0, own = false, forgotten = 0, ...since] = heard;
  const [bound = history !== null || own] = since;
  if (found === formatBefore) throw tooOld();
  if (found !== format) throw foreign(`its format is not "${format}"`);
  if (
    typeof replica !== 'string' ||
    !(history === null || typeof history === 'string') ||
    !isVersion(seen) ||
    !isVersion(acknowledged) ||
    !isVersion(time) ||
    !isVersion(count) ||
    !isVersion(seenBytes) ||
    !isVersion(headBytes) ||
    !isVersion(acknowledgedBytes) ||
    !isVersion(refused) ||
    !isVersion(schemaVersion) ||
    !isVersion(witnessedTime) ||
    !isVersion(witnessedCount) ||
    !isOffset(offset) ||
    typeof own !== 'boolean' ||
    !isVersion(forgotten) ||
    typeof bound !== 'boolean'
  ) {
    throw foreign('its record of itself is damaged');
  }
  const clock = { time, count };
  const witnessed = { time: witnessedTime, count: witnessedCount };
  return {
    ...{ replica, history, seen, acknowledged, clock, seenBytes, headBytes, acknowledgedBytes, refused },
    ...{ schemaVersion, witnessed, offset, own, forgotten, bound },
  };
};

/** What a key of its own holds, `missing` where there is none. */
const readAt = <T>(storage: Storage, key: string, read: (bytes: Uint8Array) => T | null, missing: T): Observable<T> =>
  storage.range(rangeAt(key)).pipe(
    map(([found]) => {
      const value = found ? read(found[1]) : missing;
      if (value === null) throw foreign(`its record "${key}" is damaged`);
      return value;
    }),
  );

/** Reads what the realm on this storage knows of itself, or makes a new realm if there is nothing at all, with `more` in the same batch. Refuses what somebody else has stored. */
export const openMeta = (storage: Storage, clock: Clock, more: readonly StorageChange[] = []): Observable<Meta> =>
  storage
    .range(rangeAt(metaKey))
    .pipe(
      switchMap(([found]) => (found ? defer(() => known(storage, metaFrom(found[1]))) : newMeta(storage, clock, more))),
    );

const known = (storage: Storage, record: MetaRecord): Observable<Meta> =>
  forkJoin({
    runs: readAt(storage, runsKey, runsFrom, []),
    owner: readAt(storage, ownerKey, ownerFrom, nobody),
  }).pipe(map((own) => ({ ...record, ...own })));

const newMeta = (storage: Storage, clock: Clock, more: readonly StorageChange[]): Observable<Meta> =>
  storage.range({ from: ' ', to: '~~', limit: 1, bytesMax: Infinity }).pipe(
    switchMap((others) => {
      if (others.length > 0) return throwError(() => foreign('it holds something else'));
      const meta: Meta = {
        replica: randomId(clock),
        history: null,
        bound: false,
        seen: 0,
        acknowledged: 0,
        clock: { time: 0, count: 0 },
        seenBytes: 0,
        headBytes: 0,
        acknowledgedBytes: 0,
        refused: 0,
        schemaVersion: 0,
        witnessed: { time: 0, count: 0 },
        offset: 0,
        own: false,
        forgotten: 0,
        runs: [],
        owner: nobody,
      };
      return concat(storage.batch([metaPut(meta), ...more], { durable: true }), of(meta));
    }),
  );
