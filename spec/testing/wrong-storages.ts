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
  ({ range }) => ({ range: (asked) => range(asked).pipe(map(change)) });

const changeRange =
  (change: (asked: Parameters<Storage['range']>[0]) => Parameters<Storage['range']>[0]): StorageDefect =>
  ({ range }) => ({ range: (asked) => range(change(asked)) });

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
    changeRange((asked) => ({ ...asked, to: `${asked.to} ` })),
    'includes the first key of a range and excludes the last',
  ],
  [
    'excludes the first key of a range',
    changeRange((asked) => ({ ...asked, from: `${asked.from} ` })),
    'includes the first key of a range and excludes the last',
  ],
  [
    'emits nothing for an empty range',
    ({ range }) => ({ range: (asked) => range(asked).pipe(filter(({ length }) => length > 0)) }),
    'emits an empty range',
  ],
  [
    'errors for a range whose start is after its end',
    ({ range }) => ({
      range: (asked) => (asked.from > asked.to ? throwError(() => new StorageError('upside down')) : range(asked)),
    }),
    'emits an empty range',
  ],
  [
    'reads at least one entry',
    changeRange((asked) => ({ ...asked, limit: Math.max(1, asked.limit) })),
    'emits an empty range',
  ],
  ['has no limit', changeRange((asked) => ({ ...asked, limit: Infinity })), 'ends a range at its limit'],
  [
    'ignores the limit of bytes',
    changeRange((asked) => ({ ...asked, bytesMax: Infinity })),
    'ends a range after the entry that reaches its bytes, and never before the first',
  ],
  [
    'reads one more entry when the limit of bytes is reached',
    changeRange((asked) => ({ ...asked, bytesMax: asked.bytesMax + 1 })),
    'ends a range after the entry that reaches its bytes, and never before the first',
  ],
  [
    'ignores `reverse`',
    changeRange((asked) => ({ ...asked, reverse: false })),
    'reads backwards, with limit and bytes counted from the end',
  ],
  [
    'applies the limits from the beginning, and reverses the result',
    ({ range }) => ({
      range: (asked) =>
        range({ ...asked, reverse: false }).pipe(
          map((entries) => (asked.reverse === true ? [...entries].reverse() : entries)),
        ),
    }),
    'reads backwards, with limit and bytes counted from the end',
  ],
  [
    'reads one page of a longer range',
    changeRange((asked) => ({ ...asked, limit: Math.min(1_000, asked.limit) })),
    'reads long ranges whole and in order',
  ],
  [
    'emits a range in several parts',
    ({ range }) => ({
      range: (asked) => range(asked).pipe(concatMap((entries) => of(entries.slice(0, 1_000), entries.slice(1_000)))),
    }),
    'reads long ranges whole and in order',
  ],
  [
    'reads once for all subscribers',
    ({ range }) => ({
      range: (asked) => {
        let first: readonly StorageEntry[] | null = null;
        return defer(() => (first ? of(first) : range(asked).pipe(tap((entries) => (first = entries)))));
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
      range: (asked) => delayTurn(() => range(asked)),
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
