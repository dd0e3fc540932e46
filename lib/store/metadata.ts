import { concat, defer, forkJoin, map, type Observable, of, switchMap, throwError } from 'rxjs';
import { type Clock, createRandomId } from '../clock.js';
import { decodeValue, encodeValue } from '../model/msgpack.js';
import type { Instant } from '../model/changeset.js';
import { StorageError } from '../model/errors.js';
import { isLeft } from '../model/result.js';
import { createDamageError } from '../model/stored-data.js';
import { isCount, type Version } from '../model/version.js';
import { keyRangeOf, readRecord, type Storage, type StorageChange } from '../storage/storage.js';
import { metadataKey, ownerKey, runsKey } from './storage-keys.js';
import { noOwner, type Owner, decodeOwner } from './ownership/owner.js';
import { decodeRuns, type StoredRun } from './ownership/replica-runs.js';

/**
 * State of a realm that is not an object. Each change of it is stored in the same batch as the data that it describes.
 */
export interface Metadata extends MetadataRecord {
  /** The runs that wrote the unacknowledged changesets. Stored under a key of their own. */
  readonly runs: readonly StoredRun[];
  /** Owner of this copy of the realm. Stored under a key of its own. */
  readonly owner: Owner;
}

/** The part of the metadata that is stored in one record, with every batch. */
export interface MetadataRecord {
  /** Replica id of this copy. Random; drawn when the copy is created. */
  readonly replica: string;
  /** Id of the server's history; `null` before the first bind, and between a client reset and the next bind. */
  readonly history: string | null;
  /**
   * Whether the realm was ever bound to a server, and not discarded since. Its unsent changes are for that server, even
   * while the realm is open without one.
   */
  readonly hasBeenBound: boolean;
  /** The server version up to which this replica has everything. */
  readonly downloadedTo: Version;
  /** The client version up to which the server has everything. */
  readonly acknowledged: Version;
  /**
   * Bytes of the history up to `downloadedTo`, and (`headBytes`) of the whole history as the server last reported it.
   * Stored, so that progress continues after a restart.
   */
  readonly downloadedBytes: number;
  readonly headBytes: number;
  /** Bytes of all changesets that were ever acknowledged. */
  readonly acknowledgedBytes: number;
  /** Number of changesets that the server ever rejected. */
  readonly rejectedCount: Version;
  /** The app's schema version to which the objects were last migrated. */
  readonly schemaVersion: number;
  /** The hybrid logical clock: the instant of the last operation that was written or received. */
  readonly instant: Instant;
  /**
   * The latest instant of operations from other replicas or on the server. Unsent changesets that get new stamps stay
   * later than this instant.
   */
  readonly remoteInstant: Instant;
  /**
   * Milliseconds by which the server's clock was last measured ahead of this device's clock; 0 if the difference was
   * within the margin of error.
   */
  readonly clockOffset: number;
  /**
   * Whether this replica also downloads its own changesets. True from a snapshot or client reset until the replica has
   * caught up.
   */
  readonly includeOwn: boolean;
  /** Objects and elements that were deleted before this time are forgotten here: see `forget-tombstones.ts`. */
  readonly forgottenBefore: number;
  /** Number of batches that were ever stored. So no two batches have the same record. */
  readonly batches: number;
  /** Whether the stored objects are only those of a view, so that the realm is not complete without subscriptions. */
  readonly hasView: boolean;
  /**
   * The server version of the states that came with rejected changesets, in a realm with a view. While it is above
   * `downloadedTo`, objects may be here that are not in the view at `downloadedTo`.
   */
  readonly rejectedUpTo: Version;
}

/**
 * Written with every batch. Earlier versions of the library do not open a later format: they would not see blocks of
 * objects (since 3) or of unsent changes (since 4).
 */
const format = 'tidemark realm 4';
/** Format of a realm with a view: earlier versions would take its objects for the whole realm. */
const viewFormat = 'tidemark realm 5';
const readableFormats: readonly unknown[] = [viewFormat, format, 'tidemark realm 3', 'tidemark realm 2'];
const oldestFormat = 'tidemark realm 1';

/** Encodes the record as one flat array, because it is written with every batch. */
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
  const { rejectedCount, schemaVersion, clockOffset, includeOwn, forgottenBefore, hasBeenBound, batches, hasView } =
    meta;
  const { rejectedUpTo } = meta;
  // prettier-ignore
  const fields = [
    hasView ? viewFormat : format, replica, history, downloadedTo, acknowledged, instant.time, instant.count,
    downloadedBytes, headBytes, acknowledgedBytes, rejectedCount, schemaVersion,
    remoteInstant.time, remoteInstant.count, clockOffset, includeOwn, forgottenBefore, hasBeenBound, batches,
    ...(rejectedUpTo > 0 ? [rejectedUpTo] : []),
  ];
  return { type: 'put', key: metadataKey, value: encodeValue(fields) };
};

const createForeignStorageError = (text: string): StorageError =>
  new StorageError(`This storage does not hold a Tidemark realm: ${text}. It was left as it is.`);

const createOldFormatError = (): StorageError =>
  new StorageError(
    'This storage holds a realm of a development version before 0.1.0, which this version cannot read. It was left as it is. Open it with that version, or use another storage.',
  );

const createLaterFormatError = (): StorageError =>
  new StorageError(
    'This storage holds a realm of a later version of Tidemark, which this version cannot read. It was left as it is. Update the app, or use another storage.',
  );

const isOffset = (given: unknown): given is number => Number.isSafeInteger(given);

/** Decodes the record. Throws a `StorageError` for other bytes. */
export const decodeMetadata = (bytes: Uint8Array): MetadataRecord => {
  const read = decodeValue(bytes);
  const fields: readonly unknown[] = isLeft(read) || !Array.isArray(read.right) ? [] : read.right;
  const [found, replica, history, downloadedTo, acknowledged, time, count, ...totals] = fields;
  // Records of older versions lack the last fields. By default `remoteInstant` is the clock: it is always safe to
  // assume that the replica has received operations up to there.
  const [downloadedBytes, headBytes, acknowledgedBytes, rejectedCount = 0, schemaVersion = 0, ...rest] = totals;
  const [remoteTime = time, remoteCount = count, clockOffset = 0, includeOwn = false, ...last] = rest;
  const [forgottenBefore = 0, hasBeenBound = history !== null || includeOwn, batches = 0, rejectedUpTo = 0] = last;
  if (found === oldestFormat) throw createOldFormatError();
  if (!readableFormats.includes(found))
    throw /^tidemark realm \d+$/.test(String(found))
      ? createLaterFormatError()
      : createForeignStorageError(`its format is not "${format}"`);
  if (
    typeof replica !== 'string' ||
    !(history === null || typeof history === 'string') ||
    !isCount(downloadedTo) ||
    !isCount(acknowledged) ||
    !isCount(time) ||
    !isCount(count) ||
    !isCount(downloadedBytes) ||
    !isCount(headBytes) ||
    !isCount(acknowledgedBytes) ||
    !isCount(rejectedCount) ||
    !isCount(schemaVersion) ||
    !isCount(remoteTime) ||
    !isCount(remoteCount) ||
    !isOffset(clockOffset) ||
    typeof includeOwn !== 'boolean' ||
    !isCount(forgottenBefore) ||
    typeof hasBeenBound !== 'boolean' ||
    !isCount(batches) ||
    !isCount(rejectedUpTo)
  ) {
    throw createDamageError('record', metadataKey);
  }
  return {
    ...{ replica, history, downloadedTo, acknowledged, instant: { time, count }, downloadedBytes, headBytes },
    ...{ acknowledgedBytes, rejectedCount, schemaVersion },
    ...{
      remoteInstant: { time: remoteTime, count: remoteCount },
      clockOffset,
      includeOwn,
      forgottenBefore,
      hasBeenBound,
      batches,
      hasView: found === viewFormat,
      rejectedUpTo,
    },
  };
};

/**
 * Reads the metadata of the realm in this storage. Creates a new realm, with `more` in the same batch, if the storage
 * is empty. Errors with a `StorageError` if the storage holds other data.
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
      if (others.length > 0) return throwError(() => createForeignStorageError('it holds other data'));
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
        batches: 0,
        hasView: false,
        rejectedUpTo: 0,
        runs: [],
        owner: noOwner,
      };
      return concat(storage.batch([toMetadataPut(meta), ...more], { durable: true }), of(meta));
    }),
  );
