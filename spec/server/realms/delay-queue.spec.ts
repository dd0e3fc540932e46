import { Observable, tap } from 'rxjs';
import { createDelayQueue } from '../../../lib/server/realms/delay-queue.js';
import { marbles, type MarbleHelpers } from '../../../lib/testing/marbles.js';
import { createCountingClock } from './timer-count.js';

/** Emits the items of a queue when they are due, while a diagram plays: `a` puts `a`, `A` removes `a`. */
const dueItems = ({ hot, clock: { scheduler } }: MarbleHelpers, drawn: string) => {
  const happening$ = hot(drawn);
  return new Observable<string>((subscriber) => {
    const queue = createDelayQueue<string>({ scheduler, delayMs: 5, onDue: (item) => subscriber.next(item) });
    const play = (letter: string): void =>
      letter === letter.toLowerCase() ? queue.put(letter) : queue.remove(letter.toLowerCase());
    return happening$.pipe(tap(play)).subscribe();
  });
};

describe('a queue of items that wait equally long', () => {
  it(
    'calls each item once, when its time has come',
    marbles((m) => {
      const put = '     -a-b--(cd)';
      const expected = '------a-b--(cd)';
      m.expectObservable(dueItems(m, put), '1m !').toBe(expected);
    }),
  );

  it(
    'lets an item that is put again wait from then on',
    marbles((m) => {
      const put = '     -ab-a';
      const expected = '-------b-a';
      m.expectObservable(dueItems(m, put), '1m !').toBe(expected);
    }),
  );

  it(
    'does not call an item that was removed',
    marbles((m) => {
      const put = '     -ab-A-B-c';
      const expected = '-------------c';
      m.expectObservable(dueItems(m, put), '1m !').toBe(expected);
    }),
  );

  it('has one timer for all items, and none without items', () => {
    const { clock, timers, pass } = createCountingClock();
    const { scheduler } = clock;
    const due: number[] = [];
    const queue = createDelayQueue<number>({ scheduler, delayMs: 5, onDue: (item) => due.push(item) });
    const items = Array.from({ length: 1_000 }, (_, item) => item);
    items.forEach(queue.put);
    expect(timers()).toBe(1);
    pass(5);
    expect(due).toEqual(items);
    expect(timers()).toBe(0);
    items.forEach(queue.put);
    items.forEach(queue.remove);
    expect(timers()).toBe(0);
  });
});
