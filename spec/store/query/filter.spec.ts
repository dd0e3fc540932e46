import { firstValueFrom } from 'rxjs';
import { InvalidArgumentError } from '../../../lib/model/errors.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { openRealm } from '../../../lib/client/open-realm.js';

const schema = {
  Task: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      votes: 'int?',
      due: 'date?',
      photo: 'data?',
      owner: 'Person?',
      tags: 'string<>',
      steps: 'string[]',
      sizes: 'double{}',
      likes: 'counter',
      extra: 'mixed',
    },
  },
  Person: { primaryKey: 'id', properties: { id: 'uuid', name: 'string' } },
} as const;

const anna = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';

const filled = async () => {
  const realm = await openRealm({ schema, storage: memoryStorage() });
  await realm.write((tx) => {
    tx.create('Person', { id: anna, name: 'Anna' });
    tx.create('Task', { id: 'a', votes: 1, tags: ['home'], steps: ['x', 'y'], sizes: { s: 1 }, owner: anna });
    tx.create('Task', {
      id: 'b',
      votes: 5,
      due: new Date(1_000),
      tags: ['home', 'shop'],
      likes: 3,
      extra: { deep: [1] },
    });
    tx.create('Task', { id: 'c', due: new Date(2_000), photo: new Uint8Array([1, 2]) });
  });
  return realm;
};

type Filled = Awaited<ReturnType<typeof filled>>;
type Given = NonNullable<NonNullable<Parameters<Filled['objects$']>[1]>['where']>;

const found = async (where: unknown): Promise<string> => {
  const realm = await filled();
  const objects = await firstValueFrom(realm.objects$('Task', { where: where as never }));
  return objects.map(({ id }) => id).join('');
};

describe('a filter', () => {
  it.each<[string, unknown, string]>([
    ['equality', { votes: 5 }, 'b'],
    ['equality with null', { votes: null }, 'c'],
    ['equality of dates', { due: new Date(1_000) }, 'b'],
    ['equality of bytes', { photo: new Uint8Array([1, 2]) }, 'c'],
    ['a link, by its key in any case', { owner: anna.toUpperCase() }, 'a'],
    ['an element of a set', { tags: 'home' }, 'ab'],
    ['a whole set', { tags: ['home'] }, 'a'],
    ['a whole list', { steps: ['x', 'y'] }, 'a'],
    ['a whole list in another order', { steps: ['y', 'x'] }, ''],
    ['a whole dictionary', { sizes: { s: 1 } }, 'a'],
    ['a counter', { likes: { $gte: 3 } }, 'b'],
    ['a nested value', { extra: { deep: [1] } }, 'b'],
    ['$gt and $lt together', { votes: { $gt: 0, $lt: 5 } }, 'a'],
    ['dates by $gte', { due: { $gte: new Date(1_500) } }, 'c'],
    ['$ne', { votes: { $ne: 5 } }, 'ac'],
    ['$in with null', { votes: { $in: [1, null] } }, 'ac'],
    ['$nin', { id: { $nin: ['a', 'b'] } }, 'c'],
    ['$not', { votes: { $not: { $gt: 2 } } }, 'ac'],
    ['$regex', { id: { $regex: /[bc]/ } }, 'bc'],
    ['$lte without null', { votes: { $lte: 5 } }, 'ab'],
    ['$all', { tags: { $all: ['home', 'shop'] } }, 'b'],
    ['$size', { tags: { $size: 0 } }, 'c'],
    ['$elemMatch', { steps: { $elemMatch: { $gt: 'x' } } }, 'a'],
    ['$or', { $or: [{ votes: 1 }, { votes: 5 }] }, 'ab'],
    ['$and', { $and: [{ votes: { $gt: 0 } }, { tags: 'shop' }] }, 'b'],
    ['$nor', { $nor: [{ votes: 1 }, { tags: 'shop' }] }, 'c'],
    ['several properties at once', { tags: 'home', votes: { $lt: 3 } }, 'a'],
    ['nothing', {}, 'abc'],
    ['bytes by $eq', { photo: { $eq: new Uint8Array([1, 2]) } }, 'c'],
    ['bytes by $ne', { photo: { $ne: new Uint8Array([1, 2]) } }, 'ab'],
    ['bytes by $in', { photo: { $in: [new Uint8Array([1, 2])] } }, 'c'],
    ['bytes in order', { photo: { $lt: new Uint8Array([1, 10]), $gt: new Uint8Array([1]) } }, 'c'],
    ['that null is neither greater nor less than a value', { photo: { $gte: null } }, 'ab'],
    ['records that look like conditions, as values', { extra: { $in: [{ $a: 1 }, { deep: [1] }] } }, 'b'],
    ['records that look like conditions, in $all', { extra: { $all: [{ $a: 1 }] } }, ''],
    ['dictionaries whose keys begin with $', { sizes: { $s: 1 } }, ''],
  ])('understands %s', async (_, where, ids) => {
    expect(await found(where)).toBe(ids);
  });

  it.each<[string, unknown, string]>([
    ['an unknown property', { price: 1 }, 'where must be a record of properties of Task (id, votes'],
    ['a condition on a dictionary', { sizes: { $gt: 1 } }, 'where.sizes must be a whole record'],
    ['a value of another type', { votes: 'many' }, 'where.votes must be a whole number'],
    ['an operand of another type', { votes: { $gt: 'many' } }, 'where.votes.$gt must be a whole number'],
    ['an unknown operator', { votes: { $near: 1 } }, 'where.votes must be a record of operators ($eq'],
    ['code', { $where: 'while (true);' }, 'where must be a record of properties of Task'],
    ['code in a condition', { votes: { $where: 'while (true);' } }, 'where.votes must be a record of operators ($eq'],
    ['an operand of $in that is not an array', { votes: { $in: 1 } }, 'where.votes.$in must be an array, received 1'],
    ['a hole in $in', { id: { $in: new Array(2) } }, 'where.id.$in must be a string, received undefined'],
    ['a hole in $nin', { extra: { $nin: new Array(1) } }, 'where.extra.$nin must be null, a boolean'],
    ['a hole in $all', { tags: { $all: new Array(1) } }, 'where.tags.$all must be a string, received undefined'],
    ['a hole in a whole list', { steps: new Array(2) }, 'where.steps must be a string, received undefined'],
    ['a hole in $or', { $or: new Array(1) }, 'where.$or[0] must be a record, received undefined'],
    ['an operand of $or that is not an array', { $or: {} }, 'where.$or must be an array of filters'],
    ['an element of $or that is not a filter', { $or: [7] }, 'where.$or[0] must be a record, received 7'],
    ['a text as $regex', { id: { $regex: '(a+)+$' } }, 'where.id.$regex must be a RegExp'],
    ['a text', 'votes = 1', 'where must be a record or a function, received "votes = 1"'],
  ])('rejects %s with a message that names the expected value', async (_, where, text) => {
    const realm = await filled();
    const asked = () => realm.objects$('Task', { where: where as Given });
    expect(asked).toThrow(InvalidArgumentError);
    expect(asked).toThrow(text);
  });

  it('is typed by the schema', async () => {
    const realm = await filled();
    const right = realm.objects$('Task', {
      where: { votes: { $in: [1, 2] }, tags: { $all: ['a'] }, $or: [{ id: 'a' }] },
    });
    // @ts-expect-error -- votes are numbers
    expect(() => realm.objects$('Task', { where: { votes: { $gt: 'a' } } })).toThrow(InvalidArgumentError);
    // @ts-expect-error -- there is no price
    expect(() => realm.objects$('Task', { where: { price: 1 } })).toThrow(InvalidArgumentError);
    expect(await firstValueFrom(right)).toEqual([]);
  });

  it('is reevaluated when objects change, also their collections and counters', async () => {
    const realm = await filled();
    const emitted: string[] = [];
    realm.objects$('Task', { where: { tags: 'shop', likes: { $lt: 5 } } }).subscribe((objects) => {
      emitted.push(objects.map(({ id }) => id).join(''));
    });
    await realm.write((tx) => tx.set('Task', 'c', 'tags').add('shop'));
    await realm.write((tx) => tx.increment('Task', 'b', 'likes', 2));
    await realm.write((tx) => tx.set('Task', 'c', 'tags').remove('shop'));
    expect(emitted).toEqual(['b', 'bc', 'c', '']);
  });
});
