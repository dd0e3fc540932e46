import { catchError, concat, concatMap, defer, EMPTY, filter, ignoreElements, map, of, switchMap, tap } from 'rxjs';
import { throwError, type Observable } from 'rxjs';
import { StorageError } from '../../lib/model/errors.js';
import type { Storage, StorageEntry } from '../../lib/storage/storage.js';

/** The members that a defect replaces in a storage. */
export type StorageDefect = (storage: Storage) => Partial<Storage>;
type Sink = Parameters<NonNullable<Storage['copy']>>[0];
/** A defect, and the title of the test that finds it. */
export type Row = readonly [what: string, wrong: StorageDefect, title: string];

/** Subscribes to the same stream after a microtask. */
export const delayTurn = <A>(stream: () => Observable<A>): Observable<A> =>
  defer(() => Promise.resolve()).pipe(switchMap(() => stream()));

export const changeEntries =
  (change: (entries: readonly StorageEntry[]) => readonly StorageEntry[]): StorageDefect =>
  ({ range }) => ({ range: (requested) => range(requested).pipe(map(change)) });

const changeRange =
  (change: (requested: Parameters<Storage['range']>[0]) => Parameters<Storage['range']>[0]): StorageDefect =>
  ({ range }) => ({ range: (requested) => range(change(requested)) });

/** A copy that is not a snapshot: it reads each page as it is at that time. */
const copyLivePages = (range: Storage['range'], key: string, sink: Sink): Observable<never> =>
  range({ from: key, to: '\x7f', limit: 1_000, bytesMax: Infinity }).pipe(
    switchMap((entries) =>
      entries.length === 0
        ? EMPTY
        : concat(
            sink(entries).pipe(ignoreElements()),
            defer(() => copyLivePages(range, `${entries.at(-1)![0]} `, sink)),
          ),
    ),
  );

export const readingDefects: readonly Row[] = [
  [
    'has an entry before the first write',
    changeEntries((entries) => (entries.length > 0 ? entries : [['a', Uint8Array.of(1)]])),
    'is empty at first',
  ],
  [
    'reads in another order',
    changeEntries((entries) => [...entries].reverse()),
    'reads in the order of the codes of its keys',
  ],
  [
    'includes the last key of a range',
    changeRange((requested) => ({ ...requested, to: `${requested.to} ` })),
    'includes the first key of a range and excludes the last',
  ],
  [
    'excludes the first key of a range',
    changeRange((requested) => ({ ...requested, from: `${requested.from} ` })),
    'includes the first key of a range and excludes the last',
  ],
  [
    'emits nothing for an empty range',
    ({ range }) => ({ range: (requested) => range(requested).pipe(filter(({ length }) => length > 0)) }),
    'emits an empty range',
  ],
  [
    'errors for a range whose start is after its end',
    ({ range }) => ({
      range: (requested) =>
        requested.from > requested.to ? throwError(() => new StorageError('upside down')) : range(requested),
    }),
    'emits an empty range',
  ],
  [
    'reads at least one entry',
    changeRange((requested) => ({ ...requested, limit: Math.max(1, requested.limit) })),
    'emits an empty range',
  ],
  ['has no limit', changeRange((requested) => ({ ...requested, limit: Infinity })), 'ends a range at its limit'],
  [
    'ignores the limit of bytes',
    changeRange((requested) => ({ ...requested, bytesMax: Infinity })),
    'ends a range after the entry that reaches its bytes, and never before the first',
  ],
  [
    'reads one more entry when the limit of bytes is reached',
    changeRange((requested) => ({ ...requested, bytesMax: requested.bytesMax + 1 })),
    'ends a range after the entry that reaches its bytes, and never before the first',
  ],
  [
    'ignores `reverse`',
    changeRange((requested) => ({ ...requested, reverse: false })),
    'reads backwards, with limit and bytes counted from the end',
  ],
  [
    'applies the limits from the beginning, and reverses the result',
    ({ range }) => ({
      range: (requested) =>
        range({ ...requested, reverse: false }).pipe(
          map((entries) => (requested.reverse === true ? [...entries].reverse() : entries)),
        ),
    }),
    'reads backwards, with limit and bytes counted from the end',
  ],
  [
    'reads one page of a longer range',
    changeRange((requested) => ({ ...requested, limit: Math.min(1_000, requested.limit) })),
    'reads long ranges whole and in order',
  ],
  [
    'emits a range in several parts',
    ({ range }) => ({
      range: (requested) =>
        range(requested).pipe(concatMap((entries) => of(entries.slice(0, 1_000), entries.slice(1_000)))),
    }),
    'reads long ranges whole and in order',
  ],
  [
    'reads once for all subscribers',
    ({ range }) => ({
      range: (requested) => {
        let first: readonly StorageEntry[] | null = null;
        return defer(() => (first ? of(first) : range(requested).pipe(tap((entries) => (first = entries)))));
      },
    }),
    'runs once for each subscription',
  ],
];

export const closingDefects: readonly Row[] = [
  ['continues after it is closed', () => ({ close: () => EMPTY }), 'errors after it is closed'],
  [
    'cannot be closed twice',
    ({ close }) => {
      let isClosed = false;
      return {
        close: () =>
          defer(() => {
            if (isClosed) throw new StorageError('closed');
            isClosed = true;
            return close();
          }),
      };
    },
    'can be closed twice',
  ],
  [
    'discards running batches when it is closed',
    ({ range, batch }) => ({
      range: (requested) => delayTurn(() => range(requested)),
      batch: (all, how) => delayTurn(() => batch(all, how)),
    }),
    'finishes running batches before it closes',
  ],
  [
    'copies all entries in one page',
    ({ copy }) => ({
      copy: (sink) =>
        defer(() => {
          const all: StorageEntry[] = [];
          const kept$ = copy!((entries) => of(all.push(...entries)));
          return concat(kept$, defer(() => sink(all)).pipe(ignoreElements()));
        }),
    }),
    'copies the present entries, in order and page by page, and none that are written meanwhile',
  ],
  [
    'copies entries that are written meanwhile',
    ({ range }) => ({ copy: (sink) => copyLivePages(range, ' ', sink) }),
    'copies the present entries, in order and page by page, and none that are written meanwhile',
  ],
  [
    'continues a copy after an error of its consumer',
    ({ copy }) => ({ copy: (sink) => copy!((entries) => sink(entries).pipe(catchError(() => EMPTY))) }),
    'stops a copy with the error of its consumer',
  ],
  ['copies when it is closed', () => ({ copy: () => EMPTY }), 'errors instead of copying when it is closed'],
];
