import { concat, defer, from, map, mergeMap, type Observable, of, switchMap, throwError } from 'rxjs';
import { systemClock } from '../clock.js';
import { StorageError } from '../model/errors.js';
import { readLogPages } from '../log/read-log-pages.js';
import { keyRangeOf, type Storage } from '../storage/storage.js';
import { wrapStorage } from '../storage/wrap-storage.js';
import { metadataKey } from '../store/storage-keys.js';
import { type Metadata, openMetadata } from '../store/metadata.js';
import { openOutbox } from '../store/commit/outbox.js';
import { decodeRejection, readRejectedList, rejectedEnd, rejectedPrefix } from '../store/rejected/rejected-list.js';
import {
  changeItemsOf,
  createCounts,
  createMatcher,
  type InspectedItem,
  type InspectReader,
  type InspectSelection,
  readObjects,
  readRecords,
  rejectionItemsOf,
  showDamage,
  showStreamDamage,
  throwDamage,
} from './inspect-items.js';
import { readWritten, salvageOutbox } from './inspect-outbox.js';
import { readView } from './inspect-view.js';

/** Rejects every change, so that the inspected realm stays unchanged. */
const toReadOnly = (storage: Storage): Storage =>
  wrapStorage(storage, {
    batch: () => throwError(() => new StorageError('An inspected realm must not be written.')),
  });

/**
 * Reads the metadata of the realm. Checks for an empty storage first, for a clearer message than that of `toReadOnly`.
 */
const readMeta = (storage: Storage): Observable<Metadata> =>
  storage.range(keyRangeOf(metadataKey)).pipe(
    switchMap(({ length }) => {
      const text = 'This database has no realm. No app has opened one here.';
      return length > 0 ? openMetadata(storage, systemClock) : throwError(() => new StorageError(text));
    }),
  );

/** Reads the metadata and the last version, as the first item. */
const readHeader = (storage: Storage): Observable<InspectedItem> =>
  readMeta(storage).pipe(
    switchMap((meta) => readWritten(storage).pipe(map((written) => ({ realm: { ...meta, written } })))),
  );

/** Reads the realm in order, and ends at damage. */
const readWholeRealm = (reader: InspectReader): Observable<InspectedItem> =>
  concat(
    readHeader(reader.storage),
    readView(reader.storage),
    readObjects(reader),
    openOutbox(reader.storage).pipe(
      switchMap(({ floor, page }) => readLogPages(floor, page)),
      mergeMap(({ entries }) => from(entries)),
      mergeMap((changeset) => from(changeItemsOf(reader, changeset))),
    ),
    readRejectedList(reader.storage).pipe(
      mergeMap((all) => from(all)),
      mergeMap((rejection) => from(rejectionItemsOf(reader, rejection))),
    ),
  );

/** Reads each record by itself, so that damage of one does not hide another. */
const salvageRecords = (reader: InspectReader): Observable<InspectedItem> => {
  const { storage, attempt } = reader;
  return concat(
    readHeader(storage).pipe(showStreamDamage(attempt)),
    readView(storage).pipe(showStreamDamage(attempt)),
    readObjects(reader),
    salvageOutbox(reader),
    readRecords(storage, rejectedPrefix, rejectedEnd).pipe(
      mergeMap((entry) => from(attempt(() => rejectionItemsOf(reader, decodeRejection(entry))))),
    ),
  );
};

/**
 * Reads a realm without its schema, page by page. Changes nothing. Cold; completes. Errors with a `StorageError` for a
 * storage without a realm, and for damaged data after the items before it. With `isSalvage`, damaged data is an item,
 * and everything else is read.
 */
export const inspectRealm = (
  given: Storage,
  selection: InspectSelection,
  isSalvage = false,
): Observable<InspectedItem> =>
  defer(() => {
    const count = createCounts(selection);
    const reader: InspectReader = {
      storage: toReadOnly(given),
      attempt: isSalvage ? showDamage : throwDamage,
      matches: createMatcher(selection),
      count,
    };
    return concat(
      isSalvage ? salvageRecords(reader) : readWholeRealm(reader),
      defer(() => of({ counts: count.counts })),
    );
  });
