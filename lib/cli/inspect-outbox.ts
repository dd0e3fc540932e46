import { catchError, concat, forkJoin, from, map, mergeMap, type Observable, of, reduce, switchMap } from 'rxjs';
import { decodeEntryBlock } from '../log/entry-blocks.js';
import { blockKeyOf, blocksEndOf, createLogKeys, decodeVersion } from '../log/log-keys.js';
import { isBytes } from '../model/built-ins.js';
import { limits } from '../model/limits.js';
import { createCursor, readArrayLength, readValue } from '../model/msgpack-reader.js';
import type { Version } from '../model/version.js';
import { readRecord, type Storage, type StorageEntry } from '../storage/storage.js';
import { decodeChangeset } from '../store/commit/outbox.js';
import { outboxPrefix } from '../store/storage-keys.js';
import { changeItemsOf, type InspectedItem, type InspectReader, readRecords } from './inspect-items.js';

const keys = createLogKeys(outboxPrefix);
const blockRange = [blockKeyOf(keys, 0), blocksEndOf(keys)] as const;
const singleRange = [keys.entry(0), keys.end] as const;

/** Returns the entries of a damaged block that come before the damage. Never throws. */
const salvageEntries = (record: Uint8Array): readonly Uint8Array[] => {
  const entries: Uint8Array[] = [];
  const cursor = createCursor(record, limits.pageChangesetsMax);
  try {
    for (let left = readArrayLength(cursor) ?? 0; left > 0; left -= 1) {
      const entry = readValue(cursor, 0);
      if (isBytes(entry)) entries.push(entry);
    }
  } catch {
    // The entries before the damage are enough.
  }
  return entries;
};

/** Reads the version up to which changesets were acknowledged; 0 from a damaged record. */
const readFloor = (storage: Storage): Observable<Version> =>
  readRecord(storage, keys.floor, decodeVersion, 0).pipe(catchError(() => of(0)));

/** Reads the version of the last changeset that was written, also from damaged records. Emits once and completes. */
export const readWritten = (storage: Storage): Observable<Version> => {
  const readLast = ([start, end]: readonly [string, string]): Observable<StorageEntry | undefined> =>
    storage.range({ from: start, to: end, reverse: true, limit: 1, bytesMax: Infinity }).pipe(map(([last]) => last));
  return forkJoin([readFloor(storage), readLast(blockRange), readLast(singleRange)]).pipe(
    map(([floor, block, single]) =>
      Math.max(
        floor,
        block ? keys.versionOf(block[0]) + salvageEntries(block[1]).length - 1 : 0,
        single ? keys.versionOf(single[0]) : 0,
      ),
    ),
  );
};

/**
 * Reads all changesets that were not acknowledged, each by itself: those of blocks, unless they have records of their
 * own, then these. Emits damage as an item.
 */
export const salvageOutbox = (reader: InspectReader): Observable<InspectedItem> => {
  const { storage, attempt } = reader;
  const singles$ = readRecords(storage, ...singleRange);
  const itemsOf = (key: string, bytes: Uint8Array, isWanted: (version: Version) => boolean): readonly InspectedItem[] =>
    attempt(() => {
      const changeset = decodeChangeset(key, bytes);
      return isWanted(changeset.version) ? changeItemsOf(reader, changeset) : [];
    });
  const blockItemsOf = (
    [key, record]: StorageEntry,
    isWanted: (version: Version) => boolean,
  ): readonly InspectedItem[] => {
    const damage = attempt(() => {
      decodeEntryBlock(key, record);
      return [];
    });
    return [...damage, ...salvageEntries(record).flatMap((bytes) => itemsOf(key, bytes, isWanted))];
  };
  const replaced$ = singles$.pipe(reduce((all, [key]) => all.add(key), new Set<string>()));
  return forkJoin([readFloor(storage), replaced$]).pipe(
    switchMap(([floor, replaced]) => {
      const isWanted = (version: Version): boolean => version > floor && !replaced.has(keys.entry(version));
      return concat(
        readRecords(storage, ...blockRange).pipe(mergeMap((block) => from(blockItemsOf(block, isWanted)))),
        singles$.pipe(mergeMap(([key, bytes]) => from(itemsOf(key, bytes, () => true)))),
      );
    }),
  );
};
