import { isBytes } from '../model/built-ins.js';
import { BehaviorSubject, type Observable, reduce } from 'rxjs';
import type { Operation } from '../merge/operation.js';
import { fromBytes, toBytes } from '../model/bytes.js';
import type { Changeset, RefusedWrite } from '../model/changeset.js';
import { InvalidArgumentError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { isLeft } from '../model/result.js';
import { isVersion, type Version } from '../model/version.js';
import type { Storage, StorageChange, StorageEntry } from '../storage/storage.js';
import { damaged, operationsIn } from './outbox.js';
import { pagesIn } from './pages.js';

/** A changeset that the server refused, kept for the app to decide about. */
export interface KeptRefusal {
  /** Its name here: 1, 2, 3 … */
  readonly id: number;
  readonly changeset: Changeset;
  /** Who wrote it: the realm may have started over as another replica since. */
  readonly replica: string;
  readonly writes: readonly RefusedWrite[];
  /** Why, as a word: see `Refusal`. */
  readonly code: string;
  readonly operations: readonly Operation[];
}

const prefix = 'r/';
/** The first key after all of them: "0" follows "/". */
const end = 'r0';
/** Where a refused changeset is kept: in the order of its number, whatever became of versions since. */
const keyOf = (id: number): string => `${prefix}${id.toString(36).padStart(11, '0')}`;

const encode = ({ changeset, replica, writes, code }: KeptRefusal): Uint8Array => {
  const { version, time, count, body } = changeset;
  const reasons = writes.map(({ type, key, reason }) => [type, key, reason]);
  return toBytes([version, time, count, body, reasons, replica, code]);
};

const decode = ([storageKey, bytes]: StorageEntry): KeptRefusal => {
  const read = fromBytes(bytes);
  const fields: readonly unknown[] = isLeft(read) || !Array.isArray(read.right) ? [] : (read.right as unknown[]);
  const [version, time, count, body, writes, replica, code = 'not-permitted'] = fields;
  const id = parseInt(storageKey.slice(prefix.length), 36);
  const isWhole = isVersion(version) && isVersion(time) && isVersion(count) && isVersion(id);
  if (!isWhole || !isBytes(body) || !Array.isArray(writes) || typeof replica !== 'string') {
    throw damaged('a refused write', `${bytes.byteLength} bytes that are none`);
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
    operations: operationsIn({ body }, 'a refused write'),
  };
};

const puts = (refusal: KeptRefusal): StorageChange => ({
  type: 'put',
  key: keyOf(refusal.id),
  value: encode(refusal),
});

export const forgets = (id: number): StorageChange => ({ type: 'del', key: keyOf(id) });

/** Reads all that are kept. Emits once and completes; errors with a `StorageError`. */
export const keptIn = (storage: Storage): Observable<readonly KeptRefusal[]> =>
  pagesIn(storage, { from: prefix, to: end, limit: 100, bytesMax: limits.frameBytesMax }).pipe(
    reduce((all: readonly KeptRefusal[], entries) => [...all, ...entries.map(decode)], []),
  );

/** What is kept, in memory. */
export interface Refusals {
  /** The present ones, then every change. Completes with the realm. */
  readonly all$: Observable<readonly KeptRefusal[]>;
  readonly count: () => number;
  /** Keeps some more, and lets go of the oldest ones that are too many: what that changes in the storage, and to be called when it is stored. */
  readonly keeps: (more: readonly KeptRefusal[]) => {
    readonly changes: readonly StorageChange[];
    readonly stored: () => void;
  };
  /** Forgets all of them, those with the ids after `from` up to `to` included, which are on their way: what that changes in the storage, and to be called when that is stored or has failed. Until then nobody decides about one. */
  readonly clears: (
    from: number,
    to: number,
  ) => { readonly changes: readonly StorageChange[]; readonly stored: () => void; readonly failed: () => void };
  /** The changes that put all of them into an empty storage. */
  readonly dump: () => readonly StorageChange[];
  /** One that somebody decides about now: nobody else may meanwhile. Throws an `InvalidArgumentError` when there is none. */
  readonly claimed: (id: number) => KeptRefusal;
  /** The decision is stored. */
  readonly gone: (id: number) => void;
  /** The decision came to nothing. */
  readonly released: (id: number) => void;
  readonly close: () => void;
}

export const createRefusals = (first: readonly KeptRefusal[]): Refusals => {
  const all = new BehaviorSubject(first);
  const claims = new Set<Version>();
  return {
    all$: all.asObservable(),
    count: () => all.value.length,
    dump: () => all.value.map(puts),
    keeps: (given) => {
      const more = given.slice(-limits.refusedKeptMax);
      // Counted by what is there: those that were decided about leave room.
      const tooMany = Math.max(0, all.value.length + more.length - limits.refusedKeptMax);
      const left = new Set(all.value.slice(0, tooMany).map(({ id }) => id));
      return {
        changes: [...more.map(puts), ...[...left].map(forgets)],
        stored: () => all.next([...all.value.filter(({ id }) => !left.has(id)), ...more]),
      };
    },
    clears: (from, to) => {
      const ids = [...all.value.map(({ id }) => id), ...Array.from({ length: to - from }, (_, at) => from + 1 + at)];
      ids.forEach((id) => claims.add(id));
      const released = (): void => ids.forEach((id) => claims.delete(id));
      return {
        changes: ids.map(forgets),
        stored: () => {
          released();
          all.next(all.value.filter(({ id }) => !ids.includes(id)));
        },
        failed: released,
      };
    },
    claimed: (id) => {
      const found = all.value.find((each) => each.id === id);
      if (!found || claims.has(id)) {
        const expected = found ? 'a refused write that nobody decides about already' : 'the id of a refused write';
        throw new InvalidArgumentError('id', expected, id);
      }
      claims.add(id);
      return found;
    },
    gone: (id) => {
      claims.delete(id);
      all.next(all.value.filter((each) => each.id !== id));
    },
    released: (id) => void claims.delete(id),
    close: () => {
      all.complete();
    },
  };
};
