import {
  initialStatusOf,
  type PlacedSet,
  reduceSubscriptions,
  type SubscriptionRejection,
  type SubscriptionEvent,
  type SubscriptionStatus,
  subscriptionStateOf,
  viewStateOf,
} from '../../../lib/store/subscriptions/subscription-state.js';
import { emptySet } from '../../../lib/store/subscriptions/subscription-set.js';
import { edit } from './task-subscriptions.js';

/** Three sets: the inbox; the inbox and notes, which have number 2; then the notes alone. */
const inbox = edit(emptySet, (subs) => {
  subs.set('Task', { where: { list: 'inbox' } }, { name: 'inbox' });
});
const both = edit(inbox, (subs) => {
  subs.set('Note');
});
const notes = edit(both, (subs) => {
  subs.remove('inbox');
});
const placedOf = (version: number, ...ids: readonly number[]): PlacedSet => ({ version, ids: new Set(ids) });
const rejection: SubscriptionRejection = { code: 'too-many-properties', text: 'The type has 16 watched properties.' };
const answer = (version: number, objects: number, ...rejected: readonly number[]): SubscriptionEvent => ({
  ...{ type: 'answered', version, objects },
  rejections: new Map(rejected.map((id) => [id, rejection])),
});
const placed = (version: number, ...ids: readonly number[]): SubscriptionEvent => ({
  type: 'placed',
  placed: placedOf(version, ...ids),
});

const after = (status: SubscriptionStatus, ...events: readonly SubscriptionEvent[]): SubscriptionStatus =>
  events.reduce(reduceSubscriptions, status);

/** The states of the truth table: letters as in marbles. */
const states = {
  p: initialStatusOf(both, placedOf(1, 1)),
  b: after(initialStatusOf(both, placedOf(1, 1)), answer(2, 5)),
  c: initialStatusOf(both, placedOf(2, 1, 2)),
};
const letters = { pending: 'p', bootstrapping: 'b', complete: 'c' } as const;
const letterOf = (status: SubscriptionStatus): string => letters[viewStateOf(status)];

describe('the state of the latest set of subscriptions', () => {
  it('is pending before an answer, bootstrapping while objects come, complete when they are placed', () => {
    expect(Object.values(states).map(letterOf).join('')).toBe('pbc');
    expect(letterOf(initialStatusOf(emptySet, null))).toBe('p');
    expect(letterOf(initialStatusOf(emptySet, placedOf(0)))).toBe('c');
  });

  /** Rows of the truth table: for each of p, b and c the state after the events. */
  it.each<[string, readonly SubscriptionEvent[], string]>([
    ['a change of the set', [{ type: 'updated', set: notes }], 'ppp'],
    ['a change that changes nothing', [{ type: 'updated', set: both }], 'pbc'],
    ['an answer with objects', [answer(2, 9)], 'bbc'],
    ['an answer without objects', [answer(2, 0)], 'ppc'],
    ['an answer without objects, then placed at once', [answer(2, 0), placed(2, 1, 2)], 'ccc'],
    ['the last page', [placed(2, 1, 2)], 'ccc'],
    ['an answer to an earlier set', [answer(1, 9)], 'pbc'],
    ['the last page of an earlier set', [placed(1, 1)], 'pbp'],
    ['an answer that rejects all of it', [answer(2, 0, 1, 2), placed(2)], 'ccc'],
    ['a lost connection', [{ type: 'disconnected', isKept: false }], 'ppc'],
    ['a lost connection after which the pages go on', [{ type: 'disconnected', isKept: true }], 'pbc'],
    ['a client reset', [{ type: 'reset' }], 'ppp'],
    ['a client reset and a new answer', [{ type: 'reset' }, answer(2, 4)], 'bbb'],
  ])('follows the truth table: %s', (_, events, expected) => {
    expect(
      Object.values(states)
        .map((status) => letterOf(after(status, ...events)))
        .join(''),
    ).toBe(expected);
  });

  it('stays the same object when an event changes nothing', () => {
    for (const status of Object.values(states)) {
      expect(reduceSubscriptions(status, { type: 'updated', set: status.set })).toBe(status);
      expect(reduceSubscriptions(status, answer(1, 3))).toBe(status);
      for (const event of [answer(2, 3, 1), placed(2, 2)]) {
        const next = reduceSubscriptions(status, event);
        expect(reduceSubscriptions(next, event)).toBe(next);
      }
    }
    expect(reduceSubscriptions(states.p, { type: 'disconnected', isKept: false })).toBe(states.p);
  });
});

describe('the state of one subscription', () => {
  const statesOf = (status: SubscriptionStatus) => [1, 2].map((id) => subscriptionStateOf(status, id));

  it('V9 stays complete while the set changes around it, also offline', () => {
    expect(statesOf(states.p)).toEqual(['complete', 'pending']);
    expect(statesOf(states.b)).toEqual(['complete', 'bootstrapping']);
    expect(statesOf(states.c)).toEqual(['complete', 'complete']);
  });

  it('is rejected for that subscription only, until the server answers otherwise', () => {
    const rejected = after(states.p, answer(2, 3, 2));
    expect(statesOf(rejected)).toEqual(['complete', 'rejected']);
    const complete = after(rejected, placed(2, 1));
    expect(statesOf(complete)).toEqual(['complete', 'rejected']);
    expect(statesOf(after(complete, { type: 'disconnected', isKept: false }))).toEqual(['complete', 'rejected']);
    expect(statesOf(after(complete, answer(2, 4), placed(2, 1, 2)))).toEqual(['complete', 'complete']);
  });

  it('stays rejected while the set changes, and is removed with its subscription', () => {
    const rejected = after(states.c, answer(2, 0, 1));
    expect(subscriptionStateOf(rejected, 1)).toBe('rejected');
    const set = edit(both, (subs) => {
      subs.set('Task');
    });
    const changed = after(rejected, { type: 'updated', set });
    expect([1, 2, 3].map((id) => subscriptionStateOf(changed, id))).toEqual(['rejected', 'complete', 'pending']);
    expect(statesOf(after(rejected, { type: 'updated', set: notes }))).toEqual(['removed', 'complete']);
    expect(after(rejected, { type: 'updated', set: notes }).rejections.size).toBe(0);
  });

  it('is pending again after another query took its name, under another number', () => {
    const set = edit(both, (subs) => {
      subs.set('Task', { where: { list: 'done' } }, { name: 'inbox' });
    });
    const status = after(states.c, { type: 'updated', set });
    expect([1, 2, 3].map((id) => subscriptionStateOf(status, id))).toEqual(['removed', 'complete', 'pending']);
  });

  it('is pending after a client reset, like every other', () => {
    expect(statesOf(after(states.c, { type: 'reset' }))).toEqual(['pending', 'pending']);
  });
});
