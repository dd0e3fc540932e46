import { compileFilter } from '../../../lib/filter/compile-filter.js';
import { InvalidArgumentError, InvalidStateError } from '../../../lib/model/errors.js';
import { editSubscriptions } from '../../../lib/store/subscriptions/edit-subscriptions.js';
import { emptySet, type SubscriptionSet } from '../../../lib/store/subscriptions/subscription-set.js';
import { edit, type Edit, type schema, shapes } from './task-subscriptions.js';

const inboxOf = (subs: Edit): void => {
  subs.set('Task', { where: { list: 'inbox' } }, { name: 'inbox' });
};
const inbox = edit(emptySet, inboxOf, 3);

describe('a change of the subscriptions', () => {
  it('makes the next version of the set, and leaves the one before as it is', () => {
    expect(inbox).toEqual({
      version: 1,
      lastId: 1,
      subscriptions: [
        { id: 1, name: 'inbox', type: 'Task', filter: ['in', 'list', 'inbox', null], createdAt: 3, updatedAt: 3 },
      ].map((each) => ({ ...each, filter: compileFilter(shapes.get('Task')!, { list: 'inbox' }) })),
    });
    expect(emptySet.version).toBe(0);
  });

  it.each<[string, (subs: Edit) => void]>([
    ['the same query under its name', inboxOf],
    [
      'the same query, written in another way',
      (subs) => {
        subs.set(
          'Task',
          { where: { $and: [{ list: { $in: ['inbox', 'inbox'] } }] } },
          { name: 'inbox', onConflict: 'error' },
        );
      },
    ],
    [
      'a subscription that is removed again',
      (subs) => {
        subs.set('Note');
        subs.clear('Note');
      },
    ],
    [
      'a subscription that is added again',
      (subs) => {
        subs.remove('inbox');
        inboxOf(subs);
      },
    ],
    ['nothing', () => undefined],
  ])('makes no version for %s', (_, change) => {
    expect(edit(inbox, change)).toBe(inbox);
  });

  it('knows a subscription without a name by its type and conditions', () => {
    const both = edit(inbox, (subs) => {
      subs.set('Task', { where: { votes: { $gt: 3 } } });
      subs.set('Task', { where: { votes: { $not: { $nin: [1] } } } });
      subs.set('Task', { where: { votes: { $gt: 3 } } });
      subs.set('Task', { where: { list: 'inbox' } });
    });
    expect(both.subscriptions.map(({ id, name }) => [id, name])).toEqual([
      ...[
        [1, 'inbox'],
        [2, null],
        [3, null],
        [4, null],
      ],
    ]);
    expect(edit(both, (subs) => subs.set('Task', { where: { votes: 1 } }))).toBe(both);
  });

  it('replaces the query of a name, under a new number and at the same place', () => {
    const set = edit(inbox, (subs) => subs.set('Note', {}, { name: 'all' }));
    const after = edit(set, (subs) => subs.set('Note', { where: { id: 7 } }, { name: 'inbox' }), 9);
    expect(after).toMatchObject({ version: 3, lastId: 3 });
    expect(after.subscriptions.map(({ id, name, type }) => [id, name, type])).toEqual([
      [3, 'inbox', 'Note'],
      [2, 'all', 'Note'],
    ]);
    expect(after.subscriptions[0]).toMatchObject({ createdAt: 3, updatedAt: 9 });
  });

  it('returns the subscriptions that its calls have added or found', () => {
    const names = (change: (subs: Edit) => void) =>
      editSubscriptions<typeof schema>(shapes, inbox, 5, change).found.map(({ id }) => id);
    expect(names(inboxOf)).toEqual([1]);
    expect(
      names((subs) => {
        subs.remove('inbox');
        inboxOf(subs);
      }),
    ).toEqual([1]);
    expect(
      names((subs) => {
        subs.set('Note');
        inboxOf(subs);
        subs.set('Note', { where: { id: 1 } });
        subs.clear('Task');
      }),
    ).toEqual([2, 3]);
  });

  it('removes by name, by type, and all', () => {
    const set = edit(inbox, (subs) => {
      subs.set('Note');
      subs.set('Task');
    });
    const left = (change: (subs: Edit) => void) => edit(set, change).subscriptions.map(({ id }) => id);
    expect(left((subs) => expect(subs.remove('inbox')).toBe(true))).toEqual([2, 3]);
    expect(left((subs) => expect(subs.remove('other')).toBe(false))).toEqual([1, 2, 3]);
    expect(left((subs) => subs.clear('Task'))).toEqual([2]);
    expect(left((subs) => subs.clear())).toEqual([]);
  });
});

describe('a change of the subscriptions that is not possible', () => {
  const many = edit(emptySet, (subs) => {
    for (let at = 0; at < 256; at += 1) subs.set('Task', { where: { votes: at } });
  });

  it.each<[string, SubscriptionSet, (subs: Edit) => void, string]>([
    [
      'another query of a name, with an error asked for',
      inbox,
      (subs) => {
        subs.set('Task', {}, { name: 'inbox', onConflict: 'error' });
      },
      'Another subscription has the name "inbox". Use another name, or `onConflict: \'replace\'`.',
    ],
    [
      'an unknown type',
      inbox,
      (subs) => {
        subs.set('Nope' as 'Task');
      },
      'type must be one of Task, Note, received "Nope"',
    ],
    [
      'an unknown type to clear',
      inbox,
      (subs) => {
        subs.clear('Nope' as 'Task');
      },
      'type must be one of Task, Note',
    ],
    [
      'an unknown property',
      inbox,
      (subs) => {
        subs.set('Task', { where: { nope: 1 } as never });
      },
      'where must be a record of properties of Task (id, list, done, votes)',
    ],
    [
      'an option with a wrong name',
      inbox,
      (subs) => {
        subs.set('Task', {}, { names: 'a' } as never);
      },
      'options must be a record with only the names name, onConflict',
    ],
    [
      'a limit, which subscriptions do not have',
      inbox,
      (subs) => {
        subs.set('Task', { limit: 5 } as never);
      },
      'query must be a record with only the names where',
    ],
    [
      'an empty name',
      inbox,
      (subs) => {
        subs.set('Task', {}, { name: '' });
      },
      'options.name must be a text of 1 to 256 characters, received ""',
    ],
    [
      'a name that is too long',
      inbox,
      (subs) => {
        subs.set('Task', {}, { name: 'x'.repeat(257) });
      },
      'a text of 1 to 256 characters',
    ],
    [
      'a name to remove that is missing',
      inbox,
      (subs) => {
        subs.remove(undefined as never);
      },
      'name must be the name of a subscription',
    ],
    [
      'another word for a conflict',
      inbox,
      (subs) => {
        subs.set('Task', {}, { onConflict: 'ignore' as never });
      },
      'options.onConflict must be',
    ],
    [
      'one subscription too many',
      many,
      (subs) => {
        subs.set('Task', { where: { votes: 256 } });
      },
      'A realm can have 256 subscriptions, and this would be one more. Remove some',
    ],
    [
      'conditions that together are larger than a frame may be',
      inbox,
      (subs) => {
        const text = 'x'.repeat(15_000);
        for (let at = 0; at < 14; at += 1) subs.set('Task', { where: { list: `${text}${at}` } });
      },
      'and at most 196608 are possible. Select by a property that many objects have in common',
    ],
    [
      'a promise',
      inbox,
      async (subs: Edit) => {
        await Promise.resolve();
        subs.clear();
      },
      'change must be a synchronous function',
    ],
  ])('throws an error that says why for %s, and changes nothing', (_, before, change, message) => {
    const copy = structuredClone(before);
    const run = () => edit(before, change);
    expect(run).toThrow(InvalidArgumentError);
    expect(run).toThrow(message);
    expect(before).toEqual(copy);
  });

  it('throws what the function of the app throws', () => {
    expect(() =>
      edit(inbox, (subs) => {
        subs.clear();
        throw new RangeError('mine');
      }),
    ).toThrow(new RangeError('mine'));
  });

  it('throws after the change is over', () => {
    const kept: Edit[] = [];
    edit(inbox, (subs) => {
      kept.push(subs);
    });
    expect(() => kept[0]?.clear()).toThrow(InvalidStateError);
    expect(() => kept[0]?.set('Task')).toThrow('This edit of the subscriptions is over.');
    expect(() => kept[0]?.remove('inbox')).toThrow('Call `subscriptions.update` again.');
  });

  it('may replace and repeat subscriptions when the realm has as many as it can', () => {
    expect(edit(many, (subs) => subs.set('Task', { where: { votes: 5 } }))).toBe(many);
    const named = edit(many, (subs) => {
      subs.clear('Task');
      subs.set('Task', {}, { name: 'all' });
    });
    expect(edit(named, (subs) => subs.set('Note', {}, { name: 'all' })).subscriptions).toHaveLength(1);
  });
});
