import fc from 'fast-check';
import { Subject, switchMap, take } from 'rxjs';
import { follow } from '../../lib/log/follow-log.js';
import type { Log } from '../../lib/log/log.js';
import { openLog } from '../../lib/log/open-log.js';
import { limits } from '../../lib/model/limits.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { appendEntries$, createEntry, format, createEntries, type Entry } from './test-kit.js';

type Event =
  | { readonly type: 'append'; readonly sizes: readonly number[] }
  /** The reader is done with its oldest pages. */
  | { readonly type: 'done'; readonly pages: number }
  /** A read that waits is answered. */
  | { readonly type: 'answer' };

const sizes = fc.array(fc.constantFrom(10, limits.pageBytesMax / 2, limits.pageBytesMax), { maxLength: 5 });
const events = fc.array(
  fc.oneof<fc.Arbitrary<Event>[]>(
    fc.record({ type: fc.constant('append'), sizes }),
    fc.record({ type: fc.constant('done'), pages: fc.integer({ min: 1, max: 3 }) }),
    fc.constant({ type: 'answer' }),
  ),
  { maxLength: 60 },
);
/** Actions of the reader at each page, synchronously: confirms the page, appends, both, or neither. */
const manners = fc.array(fc.constantFrom('done', 'append', 'both', 'nothing'), { maxLength: 30 });

const world = (atOnce: boolean, before: number) => {
  const kept = memoryStorage();
  const answer$ = new Subject<void>();
  let log!: Log<Entry>;
  const range: typeof kept.range = (asked) =>
    slow
      ? answer$.pipe(
          take(1),
          switchMap(() => kept.range(asked)),
        )
      : kept.range(asked);
  let slow = false;
  const open = () =>
    openLog({ storage: { ...kept, range }, prefix: '', ...format, tailBytesMax: limits.pageBytesMax }).subscribe(
      (opened) => (log = opened),
    );
  open();
  appendEntries$(kept, log, createEntries(1, before)).subscribe();
  open(); // None of the entries before this point is in memory.
  slow = !atOnce;
  return {
    log,
    append: (entries: readonly Entry[]) => appendEntries$(kept, log, entries).subscribe(),
    answer: () => answer$.next(),
  };
};

describe('following a log while reads, appends and confirmations interleave', () => {
  it('emits the whole log in order, and never reads further than allowed', () => {
    fc.assert(
      fc.property(
        fc.record({
          atOnce: fc.boolean(),
          before: fc.nat(5),
          pagesMax: fc.integer({ min: 1, max: 4 }),
          events,
          manners,
        }),
        ({ atOnce, before, pagesMax, events: happening, manners: behaviour }) => {
          const { log, append, answer } = world(atOnce, before);
          const done$ = new Subject<number>();
          const pending: number[] = [];
          const received: number[] = [];
          const wrong: string[] = []; // An error that the reader throws does not reach the test.
          let pages = 0;

          const grow = (bytes: readonly number[]) =>
            append(bytes.map((size, at) => createEntry(log.head + 1 + at, size)));
          const finish = (count: number) => {
            const upTo = pending.splice(0, count).at(-1);
            if (upTo !== undefined) done$.next(upTo);
          };

          const following = follow(log, { after: 0, done$, pagesMax }).subscribe(({ entries, upTo }) => {
            received.push(...entries.map(({ version }) => version));
            if (upTo !== received.at(-1)) wrong.push(`a page up to ${upTo} that ends with ${received.at(-1)}`);
            pending.push(upTo);
            if (pending.length > pagesMax) wrong.push(`${pending.length} pages ahead`);
            const manner = behaviour[pages];
            pages += 1;
            if (manner === 'append' || manner === 'both') grow([10]);
            if (manner === 'done' || manner === 'both') finish(1);
          });

          for (const event of happening) {
            if (event.type === 'append') grow(event.sizes);
            else if (event.type === 'done') finish(event.pages);
            else answer();
            if (atOnce) expect(pending.length === pagesMax || received.length === log.head).toBe(true);
          }
          // A reader that keeps confirming reaches the end.
          for (let turn = 0; received.length < log.head && turn < 1_000; turn += 1) {
            answer();
            finish(1);
          }
          following.unsubscribe();
          expect(wrong).toEqual([]);
          expect(received).toEqual(Array.from({ length: log.head }, (_, at) => at + 1));
        },
      ),
      { numRuns: 500 },
    );
  });
});
