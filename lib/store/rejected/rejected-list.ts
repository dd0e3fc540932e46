import { isBytes } from '../../model/built-ins.js';
import { BehaviorSubject, type Observable, reduce } from 'rxjs';
import type { Operation } from '../../merge/operation.js';
import { decodeValue, encodeValue } from '../../model/msgpack.js';
import type { Changeset, RejectedWrite } from '../../model/changeset.js';
import { InvalidArgumentError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import { isLeft } from '../../model/result.js';
import { isCount, type Version } from '../../model/version.js';
import type { Storage, StorageChange, StorageEntry } from '../../storage/storage.js';
import { createCorruptStorageError, readOperations } from '../commit/outbox.js';
import { readStoragePages } from '../read-pages.js';

/** A changeset that the server refused, kept for the app to decide about. */
export interface KeptRejection {
  /** Its name here: 1, 2, 3 … */
  readonly id: number;
  readonly changeset: Changeset;
  /** Who wrote it: the realm may have started over as another replica since. */
  readonly replica: string;
  readonly writes: readonly RejectedWrite[];
  /** Why, as a word: see `Refusal`. */
  readonly code: string;
  readonly operations: readonly Operation[];
}

const rejectedPrefix = 'r/';
/** The first key after all of them: "0" follows "/". */
const rejectedEnd = 'r0';
/** Where a refused changeset is kept: in the order of its number, whatever became of versions since. */
const rejectedKeyOf = (id: number): string => `${rejectedPrefix}${id.toString(36).padStart(11, '0')}`;

const encodeRejection = ({ changeset, replica, writes, code }: KeptRejection): Uint8Array => {
  const { version, time, count, body } = changeset;
  const reasons = writes.map(({ type, key, reason }) => [type, key, reason]);
  return encodeValue([version, time, count, body, reasons, replica, code]);
};

const decodeRejection = ([storageKey, bytes]: StorageEntry): KeptRejection => {
  const read = decodeValue(bytes);
  const fields: readonly unknown[] = isLeft(read) || !Array.isArray(read.right) ? [] : (read.right as unknown[]);
  const [version, time, count, body, writes, replica, code = 'not-permitted'] = fields;
  const id = parseInt(storageKey.slice(rejectedPrefix.length), 36);
  const isWhole = isCount(version) && isCount(time) && isCount(count) && isCount(id);
  if (!isWhole || !isBytes(body) || !Array.isArray(writes) || typeof replica !== 'string') {
    throw createCorruptStorageError('a refused write', `${bytes.byteLength} bytes that are none`);
  }
  return {
    id,
    replica,
    code: String(code),
    changeset: { version, time, count, body },
    writes: (writes as readonly (readonly [string, string | number, string])[]).map(([type, key, reason]) => ({
      type,
      key,
      reason,
    })),
    operations: readOperations({ body }, 'a refused write'),
  };
};

const toRejectionPut = (refusal: KeptRejection): StorageChange => ({
  type: 'put',
  key: rejectedKeyOf(refusal.id),
  value: encodeRejection(refusal),
});

export const toRejectionDelete = (id: number): StorageChange => ({ type: 'del', key: rejectedKeyOf(id) });

/** Reads all that are kept. Emits once and completes; errors with a `StorageError`. */
export const readRejectedList = (storage: Storage): Observable<readonly KeptRejection[]> =>
  readStoragePages(storage, { from: rejectedPrefix, to: rejectedEnd, limit: 100, bytesMax: limits.frameBytesMax }).pipe(
    reduce((all: readonly KeptRejection[], entries) => [...all, ...entries.map(decodeRejection)], []),
  );

/** What is kept, in memory. */
export interface RejectedList {
  /** The present ones, then every change. Completes with the realm. */
  readonly all$: Observable<readonly KeptRejection[]>;
  readonly count: () => number;
  /**
   * Keeps some more, and lets go of the oldest ones that are too many: what that changes in the storage, and to be
   * called when it is stored.
   */
  readonly keep: (more: readonly KeptRejection[]) => {
    readonly changes: readonly StorageChange[];
    readonly stored: () => void;
  };
  /**
   * Forgets all of them, those with the ids after `from` up to `to` included, which are on their way: what that changes
   * in the storage, and to be called when that is stored or has failed. Until then nobody decides about one.
   */
  readonly clear: (
    from: number,
    to: number,
  ) => { readonly changes: readonly StorageChange[]; readonly stored: () => void; readonly failed: () => void };
  /** The changes that put all of them into an empty storage. */
  readonly dump: () => readonly StorageChange[];
  /**
   * One that somebody decides about now: nobody else may meanwhile. Throws an `InvalidArgumentError` when there is
   * none.
   */
  readonly reserve: (id: number) => KeptRejection;
  /** The decision is stored. */
  readonly remove: (id: number) => void;
  /** The decision came to nothing. */
  readonly release: (id: number) => void;
  readonly close: () => void;
}

export const createRejectedList = (first: readonly KeptRejection[]): RejectedList => {
  const all = new BehaviorSubject(first);
  const claims = new Set<Version>();
  return {
    all$: all.asObservable(),
    count: () => all.value.length,
    dump: () => all.value.map(toRejectionPut),
    keep: (given) => {
      const more = given.slice(-limits.rejectedKeptMax);
      // Counted by what is there: those that were decided about leave room.
      const tooMany = Math.max(0, all.value.length + more.length - limits.rejectedKeptMax);
      const left = new Set(all.value.slice(0, tooMany).map(({ id }) => id));
      return {
        changes: [...more.map(toRejectionPut), ...[...left].map(toRejectionDelete)],
        stored: () => all.next([...all.value.filter(({ id }) => !left.has(id)), ...more]),
      };
    },
    clear: (from, to) => {
      const ids = [...all.value.map(({ id }) => id), ...Array.from({ length: to - from }, (_, at) => from + 1 + at)];
      ids.forEach((id) => claims.add(id));
      const released = (): void => ids.forEach((id) => claims.delete(id));
      return {
        changes: ids.map(toRejectionDelete),
        stored: () => {
          released();
          all.next(all.value.filter(({ id }) => !ids.includes(id)));
        },
        failed: released,
      };
    },
    reserve: (id) => {
      const found = all.value.find((each) => each.id === id);
      if (!found || claims.has(id)) {
        const expected = found ? 'a refused write that nobody decides about already' : 'the id of a refused write';
        throw new InvalidArgumentError('id', expected, id);
      }
      claims.add(id);
      return found;
    },
    remove: (id) => {
      claims.delete(id);
      all.next(all.value.filter((each) => each.id !== id));
    },
    release: (id) => void claims.delete(id),
    close: () => {
      all.complete();
    },
  };
};
