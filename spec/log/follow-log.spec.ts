import { BehaviorSubject, delay, map, NEVER, of, Subject, switchMap, take, tap, throwError } from 'rxjs';
import { follow } from '../../lib/log/follow-log.js';
import type { LogPage } from '../../lib/log/log.js';
import { StorageError } from '../../lib/model/errors.js';
import { marbles, type MarbleHelpers } from '../../lib/testing/marbles.js';
import {
  appendEntries$,
  createCountingStorage,
  createEntry,
  createManualLog,
  openTestLog,
  createEntries,
  type Entry,
} from './test-kit.js';

// Pages have one entry each. A digit is a version: of the head, of the confirmed position of the reader, of a page.
const digits = Object.fromEntries(Array.from({ length: 10 }, (_, digit) => [String(digit), digit]));
const pages = map(({ upTo }: LogPage<Entry>) => String(upTo));

/** A log whose head and reader follow the diagrams. A page takes `takes` milliseconds to read. */
const drawn = (m: MarbleHelpers, heads: string, dones: string, takes = 0) => {
  const hand = createManualLog((page) => (takes === 0 ? page : page.pipe(delay(takes, m.scheduler))));
  const head$ = m.cold(heads, digits).pipe(
    tap({ next: hand.growTo, complete: hand.close }),
    switchMap(() => NEVER),
  );
  const done$ = m.hot(dones, digits);
  return { ...hand, head$, done$ };
};

describe('following a log', () => {
  it(
    'emits the existing pages, then each page as soon as it exists',
    marbles((m) => {
      const heads = '   2--3--4-5';
      const dones = '   ----------';
      const expected = '(12)';
      const later = '   ---3--4-5';
      const { log, head$, done$ } = drawn(m, heads, dones);
      m.expectObservable(head$, '12ms !').toBe('-');
      m.expectObservable(follow(log, { after: 2, done$, pagesMax: 9 }).pipe(pages), '12ms !').toBe(later);
      m.expectObservable(follow(log, { after: 0, done$, pagesMax: 2 }).pipe(pages), '12ms !').toBe(expected);
    }),
  );

  it(
    'waits for room',
    marbles((m) => {
      const heads = '   5';
      const dones = '   -----1--3-----5';
      const expected = '(12)-3--(45)';
      const { log, head$, done$ } = drawn(m, heads, dones);
      m.expectObservable(head$, '20ms !').toBe('-');
      m.expectObservable(follow(log, { after: 0, done$, pagesMax: 2 }).pipe(pages), '20ms !').toBe(expected);
    }),
  );

  it(
    'misses neither a confirmation nor an append while a page is read',
    marbles((m) => {
      const heads = '   1--2---3';
      const dones = '   ------1-2-'; // Both signals of a page may arrive while that page or another one is being read.
      const expected = '----1---2---3';
      const { log, head$, done$ } = drawn(m, heads, dones, 4);
      m.expectObservable(head$, '30ms !').toBe('-');
      m.expectObservable(follow(log, { after: 0, done$, pagesMax: 2 }).pipe(pages), '30ms !').toBe(expected);
    }),
  );

  it(
    'reads one page at a time, and none before there is room',
    marbles((m) => {
      const { log, head$, done$, reads } = drawn(m, '9', '-----2', 1);
      m.expectObservable(head$, '30ms !').toBe('-');
      m.expectObservable(follow(log, { after: 0, done$, pagesMax: 3 }).pipe(pages), '30ms !').toBe('-123--45');
      m.flush();
      expect(reads()).toBe(5);
    }),
  );

  it(
    'ignores a confirmation that repeats an earlier one or goes back',
    marbles((m) => {
      const { log, head$, done$ } = drawn(m, '9', '-1-1-0-2');
      m.expectObservable(head$, '30ms !').toBe('-');
      m.expectObservable(follow(log, { after: 0, done$, pagesMax: 1 }).pipe(pages), '30ms !').toBe('12-----3');
    }),
  );

  it(
    'counts the confirmations of the reader from before the subscription',
    marbles((m) => {
      const { log, head$ } = drawn(m, '3', '-');
      m.expectObservable(head$, '30ms !').toBe('-');
      m.expectObservable(follow(log, { after: 0, done$: of(2), pagesMax: 9 }).pipe(pages), '9ms !').toBe('(123)');
    }),
  );

  it(
    'completes when the log is closed, even while a page is being read',
    marbles((m) => {
      const { log, head$, done$ } = drawn(m, '2------|', '-', 5);
      m.expectObservable(head$, '30ms !').toBe('-');
      m.expectObservable(follow(log, { after: 0, done$, pagesMax: 9 }).pipe(pages)).toBe('-----1-|');
    }),
  );

  it(
    'does not complete when its reader does, nor when there are no entries',
    marbles((m) => {
      const { log, head$, done$ } = drawn(m, '1----2', '--|');
      m.expectObservable(head$, '30ms !').toBe('-');
      m.expectObservable(follow(log, { after: 0, done$, pagesMax: 9 }).pipe(pages), '30ms !').toBe('1----2');
    }),
  );

  it(
    'errors with the error of a page',
    marbles((m) => {
      const corrupt = new StorageError('corrupt');
      const { log, head$, done$ } = drawn(m, '---1', '-');
      m.expectObservable(head$, '30ms !').toBe('-');
      m.expectObservable(
        follow({ ...log, head: 1, page: () => throwError(() => corrupt) }, { after: 0, done$, pagesMax: 9 }),
      ).toBe('#', undefined, corrupt);
    }),
  );

  it(
    'starts again for every subscription, and releases everything at its end',
    marbles((m) => {
      const heads = m.hot('2---3', digits);
      const dones = m.hot('-----', digits);
      const { log, growTo } = createManualLog();
      growTo(3);
      const pages$ = follow({ ...log, head: 3, head$: heads }, { after: 0, done$: dones, pagesMax: 9 }).pipe(pages);
      m.expectObservable(pages$, '      ---!').toBe('(123)');
      m.expectObservable(pages$, '--^-----!').toBe(' ----(123)');
      m.expectSubscriptions(dones.subscriptions).toBe(['^--!', '--^-----!']);
    }),
  );
});

describe('following a log that answers synchronously', () => {
  it('emits an append to an idle reader in the same event-loop turn, without reading the storage', async () => {
    const { storage, reads } = createCountingStorage();
    const log = await openTestLog(storage);
    const before = reads();
    const received: number[] = [];
    follow(log, { after: 0, done$: NEVER, pagesMax: 99 }).subscribe(({ upTo }) => received.push(upTo));
    appendEntries$(storage, log, [createEntry(1)]).subscribe();
    expect(received).toEqual([1]);
    appendEntries$(storage, log, createEntries(2, 5)).subscribe();
    expect(received).toEqual([1, 5]);
    expect(reads()).toBe(before);
  });

  it('emits the next page to a reader that confirms synchronously, and to one that appends', () => {
    const { log, growTo } = createManualLog();
    const done$ = new BehaviorSubject(0);
    const received: number[] = [];
    follow(log, { after: 0, done$, pagesMax: 1 }).subscribe(({ upTo }) => {
      received.push(upTo);
      if (upTo < 5) growTo(upTo + 1);
      done$.next(upTo);
    });
    growTo(1);
    expect(received).toEqual([1, 2, 3, 4, 5]);
  });

  it('has a stack that does not grow with the backlog', () => {
    const { log, growTo } = createManualLog();
    const done$ = new Subject<number>();
    growTo(100_000);
    const depths = new Set<number>();
    let last = 0;
    follow(log, { after: 0, done$, pagesMax: 1 }).subscribe(({ upTo }) => {
      last = upTo;
      if (upTo % 10_000 === 1) depths.add(depthNow());
      done$.next(upTo);
    });
    expect(last).toBe(100_000);
    expect(depths.size).toBeLessThanOrEqual(2);
  });

  it('reads no more than its reader takes', () => {
    const { log, growTo, reads } = createManualLog();
    growTo(50);
    const received: number[] = [];
    follow(log, { after: 0, done$: NEVER, pagesMax: 40 })
      .pipe(take(3))
      .subscribe(({ upTo }) => received.push(upTo));
    expect([received, reads()]).toEqual([[1, 2, 3], 3]);
  });
});

const depthNow = (): number => {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = Infinity;
  const depth = new Error('here').stack?.split('\n').length ?? 0;
  Error.stackTraceLimit = stackTraceLimit;
  return depth;
};
