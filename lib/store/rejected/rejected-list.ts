import { BehaviorSubject, type Observable, reduce } from 'rxjs';
import type { Operation } from '../../merge/operation.js';
import { encodeValue } from '../../model/msgpack.js';
import type { Changeset, RejectedWrite } from '../../model/changeset.js';
import { InvalidArgumentError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import { parseSortableText, sortableTextOf } from '../../model/sortable-number.js';
import { createDamageError, decodeStoredFields, storedWritesOf } from '../../model/stored-data.js';
import type { Version } from '../../model/version.js';
import { readStoragePages, type Storage, type StorageChange, type StorageEntry } from '../../storage/storage.js';
import { decodeStoredOperations, storedChangesetOf } from '../commit/outbox.js';

/** A rejected changeset, kept until the app retries or discards it. */
export interface KeptRejection {
  /** Local id: 1, 2, 3 … */
  readonly id: number;
  readonly changeset: Changeset;
  /** The replica that wrote it; the realm may have had a client reset since. */
  readonly replica: string;
  readonly writes: readonly RejectedWrite[];
  /** The reason as a word: see `RejectedChangeset`. */
  readonly code: string;
  readonly operations: readonly Operation[];
}

export const rejectedPrefix = 'r/';
/** The first key after all rejected writes: "0" follows "/". */
export const rejectedEnd = 'r0';
/** Storage key of a rejected changeset. Ordered by its id, which does not change when versions are renumbered. */
const rejectedKeyOf = (id: number): string => `${rejectedPrefix}${sortableTextOf(id)}`;

/** Returns the id in the storage key of a rejected changeset. Throws a `StorageError` for another key. */
export const parseRejectedKey = (storageKey: string): number =>
  parseSortableText(storageKey.slice(rejectedPrefix.length), storageKey);

const encodeRejection = ({ changeset, replica, writes, code }: KeptRejection): Uint8Array => {
  const { version, time, count, body } = changeset;
  const reasons = writes.map(({ type, key, reason }) => [type, key, reason]);
  return encodeValue([version, time, count, body, reasons, replica, code]);
};

export const decodeRejection = ([storageKey, bytes]: StorageEntry): KeptRejection => {
  const fields = decodeStoredFields(storageKey, bytes);
  const [, , , , writes, replica, code = 'not-permitted'] = fields;
  const changeset = storedChangesetOf(storageKey, fields);
  if (typeof replica !== 'string' || typeof code !== 'string') throw createDamageError('record', storageKey);
  return {
    id: parseRejectedKey(storageKey),
    replica,
    code,
    changeset,
    writes: storedWritesOf(storageKey, writes),
    operations: decodeStoredOperations(changeset, 'rejected write'),
  };
};

const toRejectionPut = (rejection: KeptRejection): StorageChange => ({
  type: 'put',
  key: rejectedKeyOf(rejection.id),
  value: encodeRejection(rejection),
});

export const toRejectionDelete = (id: number): StorageChange => ({ type: 'del', key: rejectedKeyOf(id) });

/** Reads all rejected changesets. Emits once and completes; errors with a `StorageError`. */
export const readRejectedList = (storage: Storage): Observable<readonly KeptRejection[]> =>
  readStoragePages(storage, { from: rejectedPrefix, to: rejectedEnd, limit: 100, bytesMax: limits.frameBytesMax }).pipe(
    reduce((all: readonly KeptRejection[], entries) => [...all, ...entries.map(decodeRejection)], []),
  );

/** The rejected changesets in memory. */
export interface RejectedList {
  /** Emits the current list, then each change. Completes with the realm. */
  readonly all$: Observable<readonly KeptRejection[]>;
  readonly list: () => readonly KeptRejection[];
  readonly count: () => number;
  /**
   * Adds changesets, and drops the oldest ones above the limit. Returns the storage changes, and a callback for when
   * they are stored.
   */
  readonly keep: (more: readonly KeptRejection[]) => {
    readonly changes: readonly StorageChange[];
    readonly stored: () => void;
  };
  /**
   * Removes all changesets, including the pending ones with the ids after `from` up to `to`. Returns the storage
   * changes, and callbacks for when they are stored or have failed. Until then, none of the changesets can be reserved.
   */
  readonly clear: (
    from: number,
    to: number,
  ) => { readonly changes: readonly StorageChange[]; readonly stored: () => void; readonly failed: () => void };
  /** The changes that write all of them to an empty storage. */
  readonly dump: () => readonly StorageChange[];
  /**
   * Reserves a changeset for one retry or discard. Throws an `InvalidArgumentError` for an unknown or
   * reserved id.
   */
  readonly reserve: (id: number) => KeptRejection;
  /** Called when the retry or discard is stored. */
  readonly remove: (id: number) => void;
  /** Called when the retry or discard failed. */
  readonly release: (id: number) => void;
  readonly close: () => void;
}

export const createRejectedList = (first: readonly KeptRejection[]): RejectedList => {
  const all = new BehaviorSubject(first);
  const reserved = new Set<Version>();
  return {
    all$: all.asObservable(),
    list: () => all.value,
    count: () => all.value.length,
    dump: () => all.value.map(toRejectionPut),
    keep: (given) => {
      const more = given.slice(-limits.rejectedKeptMax);
      // Counts the changesets that are kept: removed ones leave room.
      const tooMany = Math.max(0, all.value.length + more.length - limits.rejectedKeptMax);
      const dropped = new Set(all.value.slice(0, tooMany).map(({ id }) => id));
      return {
        changes: [...more.map(toRejectionPut), ...[...dropped].map(toRejectionDelete)],
        stored: () => all.next([...all.value.filter(({ id }) => !dropped.has(id)), ...more]),
      };
    },
    clear: (from, to) => {
      const ids = [...all.value.map(({ id }) => id), ...Array.from({ length: to - from }, (_, at) => from + 1 + at)];
      ids.forEach((id) => reserved.add(id));
      const release = (): void => ids.forEach((id) => reserved.delete(id));
      return {
        changes: ids.map(toRejectionDelete),
        stored: () => {
          release();
          all.next(all.value.filter(({ id }) => !ids.includes(id)));
        },
        failed: release,
      };
    },
    reserve: (id) => {
      const found = all.value.find((each) => each.id === id);
      if (!found || reserved.has(id)) {
        const expected = found
          ? 'a rejected write that is not being retried or discarded'
          : 'the id of a rejected write';
        throw new InvalidArgumentError('id', expected, id);
      }
      reserved.add(id);
      return found;
    },
    remove: (id) => {
      reserved.delete(id);
      all.next(all.value.filter((each) => each.id !== id));
    },
    release: (id) => void reserved.delete(id),
    close: () => {
      all.complete();
    },
  };
};
