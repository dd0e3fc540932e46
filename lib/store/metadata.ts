import { concat, defer, forkJoin, map, type Observable, of, switchMap, throwError } from 'rxjs';
import { type Clock, createRandomId } from '../clock.js';
import { decodeValue, encodeValue } from '../model/msgpack.js';
import type { Instant } from '../model/changeset.js';
import { StorageError } from '../model/errors.js';
import { isLeft } from '../model/result.js';
import { isCount, type Version } from '../model/version.js';
import { keyRangeOf, type Storage, type StorageChange } from '../storage/storage.js';
import { metadataKey, ownerKey, runsKey } from './storage-keys.js';
import { noOwner, type Owner, decodeOwner } from './ownership/owner.js';
import { decodeRuns, type StoredRun } from './ownership/replica-runs.js';

/** What a realm knows of itself. It changes in the same batch as what it speaks of. */
export interface Metadata extends MetadataRecord {
  /** The runs that wrote what the server may not have, under a key of their own. */
  readonly runs: readonly StoredRun[];
  /** Whose copy this is, under a key of its own. */
  readonly owner: Owner;
}

interface MetadataRecord {
  /** Who this copy of the realm is: drawn when it is made, kept with the data. */
  readonly replica: string;
  /** The server's history it belongs to; `null` before the first bind, and from a reset until the next one. */
  readonly history: string | null;
  /**
   * Whether it has ever belonged to one, and not discarded everything since: what is unsent is for that server, however
   * the realm is opened.
   */
  readonly hasBeenBound: boolean;
  /** The server version up to which everything is here. */
  readonly downloadedTo: Version;
  /** The client version up to which the server has everything. */
  readonly acknowledged: Version;
  /** Bytes of the history up to `seen`, and of all of it as the server last said: progress goes on after a restart. */
  readonly downloadedBytes: number;
  readonly headBytes: number;
  /** Bytes of everything that was ever acknowledged. */
  readonly acknowledgedBytes: number;
  /** How many changesets the server has ever refused. */
  readonly rejectedCount: Version;
  /** The app's version of its schema that the objects were last migrated to. */
  readonly schemaVersion: number;
  /** The hybrid logical clock: the instant of the last operation written or seen. */
  readonly instant: Instant;
  /** The latest instant of what came from others or is on the server. What is stamped again stays later. */
  readonly remoteInstant: Instant;
  /**
   * Milliseconds that the server's clock was ahead of this device's when that was last heard; 0: by too little to tell.
   */
  readonly clockOffset: number;
  /** Whether what this replica wrote itself has to come down, too: since a snapshot, until it has caught up. */
  readonly includeOwn: boolean;
  /** What was deleted or removed before this time is forgotten here: see `forget-tombstones.ts`. */
  readonly forgottenBefore: number;
}

const format = 'tidemark realm 2';
const formatBefore = 'tidemark realm 1';

/** One array as it is: this is written with every batch. */
export const toMetadataPut = (meta: MetadataRecord): StorageChange => {
  const {
    replica,
    history,
    downloadedTo,
    acknowledged,
    instant,
    remoteInstant,
    downloadedBytes,
    headBytes,
    acknowledgedBytes,
  } = meta;
  const { rejectedCount, schemaVersion, clockOffset, includeOwn, forgottenBefore, hasBeenBound } = meta;
  // prettier-ignore
  const fields = [
    format, replica, history, downloadedTo, acknowledged, instant.time, instant.count,
    downloadedBytes, headBytes, acknowledgedBytes, rejectedCount, schemaVersion,
    remoteInstant.time, remoteInstant.count, clockOffset, includeOwn, forgottenBefore, hasBeenBound,
  ];
  return { type: 'put', key: metadataKey, value: encodeValue(fields) };
};

const createForeignStorageError = (text: string): StorageError =>
  new StorageError(`This storage holds no realm of this library: ${text}. It was left as it is.`);

const createOldFormatError = (): StorageError =>
  new StorageError(
    'This storage holds a realm of a development version before 0.1.0, which this version cannot read. It was left as it is. Open it with that version, or use another storage.',
  );

const isOffset = (given: unknown): given is number => Number.isSafeInteger(given);

const decodeMetadata = (bytes: Uint8Array): MetadataRecord => {
  const read = decodeValue(bytes);
  const fields: readonly unknown[] = isLeft(read) || !Array.isArray(read.right) ? [] : read.right;
  const [found, replica, history, seen, acknowledged, time, count, ...totals] = fields;
  // Realms of before have never heard of the last ones. That they may have seen all up to their clock is always safe to
  // say.
  const [seenBytes, headBytes, acknowledgedBytes, refused = 0, schemaVersion = 0, ...heard] = totals;
  const [witnessedTime = time, witnessedCount = count, offset = 0, own = false, forgotten = 0, ...since] = heard;
  const [bound = history !== null || own] = since;
  if (found === formatBefore) throw createOldFormatError();
  if (found !== format) throw createForeignStorageError(`its format is not "${format}"`);
  if (
    typeof replica !== 'string' ||
    !(history === null || typeof history === 'string') ||
    !isCount(seen) ||
    !isCount(acknowledged) ||
    !isCount(time) ||
    !isCount(count) ||
    !isCount(seenBytes) ||
    !isCount(headBytes) ||
    !isCount(acknowledgedBytes) ||
    !isCount(refused) ||
    !isCount(schemaVersion) ||
    !isCount(witnessedTime) ||
    !isCount(witnessedCount) ||
    !isOffset(offset) ||
    typeof own !== 'boolean' ||
    !isCount(forgotten) ||
    typeof bound !== 'boolean'
  ) {
    throw createForeignStorageError('its record of itself is damaged');
  }
  const clock = { time, count };
  const witnessed = { time: witnessedTime, count: witnessedCount };
  return {
    ...{
      replica,
      history,
      downloadedTo: seen,
      acknowledged,
      instant: clock,
      downloadedBytes: seenBytes,
      headBytes,
      acknowledgedBytes,
      rejectedCount: refused,
    },
    ...{
      schemaVersion,
      remoteInstant: witnessed,
      clockOffset: offset,
      includeOwn: own,
      forgottenBefore: forgotten,
      hasBeenBound: bound,
    },
  };
};

/** What a key of its own holds, `missing` where there is none. */
const readRecord = <T>(
  storage: Storage,
  key: string,
  read: (bytes: Uint8Array) => T | null,
  missing: T,
): Observable<T> =>
  storage.range(keyRangeOf(key)).pipe(
    map(([found]) => {
      const value = found ? read(found[1]) : missing;
      if (value === null) throw createForeignStorageError(`its record "${key}" is damaged`);
      return value;
    }),
  );

/**
 * Reads what the realm on this storage knows of itself, or makes a new realm if there is nothing at all, with `more` in
 * the same batch. Refuses what somebody else has stored.
 */
export const openMetadata = (
  storage: Storage,
  clock: Clock,
  more: readonly StorageChange[] = [],
): Observable<Metadata> =>
  storage
    .range(keyRangeOf(metadataKey))
    .pipe(
      switchMap(([found]) =>
        found ? defer(() => readMetadata(storage, decodeMetadata(found[1]))) : createMetadata(storage, clock, more),
      ),
    );

const readMetadata = (storage: Storage, record: MetadataRecord): Observable<Metadata> =>
  forkJoin({
    runs: readRecord(storage, runsKey, decodeRuns, []),
    owner: readRecord(storage, ownerKey, decodeOwner, noOwner),
  }).pipe(map((own) => ({ ...record, ...own })));

const createMetadata = (storage: Storage, clock: Clock, more: readonly StorageChange[]): Observable<Metadata> =>
  storage.range({ from: ' ', to: '~~', limit: 1, bytesMax: Infinity }).pipe(
    switchMap((others) => {
      if (others.length > 0) return throwError(() => createForeignStorageError('it holds something else'));
      const meta: Metadata = {
        replica: createRandomId(clock),
        history: null,
        hasBeenBound: false,
        downloadedTo: 0,
        acknowledged: 0,
        instant: { time: 0, count: 0 },
        downloadedBytes: 0,
        headBytes: 0,
        acknowledgedBytes: 0,
        rejectedCount: 0,
        schemaVersion: 0,
        remoteInstant: { time: 0, count: 0 },
        clockOffset: 0,
        includeOwn: false,
        forgottenBefore: 0,
        runs: [],
        owner: noOwner,
      };
      return concat(storage.batch([toMetadataPut(meta), ...more], { durable: true }), of(meta));
    }),
  );
