import { firstValueFrom } from 'rxjs';
import { marbles } from '../../lib/testing/marbles.js';
import { create, milk, opened } from './kit.js';

describe('live queries', () => {
  it(
    'emit the present result at once, and a new one after each batch that changes it, and only then',
    marbles((m) => {
      const store = opened();
      const add = (id: string, votes: number) => store.write((tx) => tx.create('Task', { ...milk, id, votes }));
      const acts: Record<string, () => unknown> = {
        a: () => add('a', 5),
        b: () => add('b', 9),
        c: () => add('c', 1),
        u: () => store.write((tx) => tx.update('Task', 'c', { title: 'other' } as never)),
        d: () => store.write((tx) => tx.delete('Task', 'b')),
      };
      m.cold('-a-b-c-u-d').subscribe((act) => acts[act]?.());
      const top = store.objects$('Task', {
        where: (task: { votes: number }) => task.votes > 3,
        sort: { votes: -1 },
        limit: 2,
      });
      const ids = (found: string) => found.split('').map((id) => expect.objectContaining({ id }) as unknown);
      m.expectObservable(top, '12ms !').toBe('0a-b-----d', { 0: [], a: ids('a'), b: ids('ba'), d: ids('a') });
      m.expectObservable(store.object$('Task', 'c'), '12ms !').toBe('0----c-u', {
        0: undefined,
        c: expect.objectContaining({ title: 'Buy milk' }) as unknown,
        u: expect.objectContaining({ title: 'other' }) as unknown,
      });
    }),
  );

  it('keep the identity of objects that have not changed', async () => {
    const store = opened();
    await create(store);
    await create(store, { ...milk, id: 'bread' });
    const before = await firstValueFrom(store.objects$('Task', { where: { id: 'milk' } }));
    await firstValueFrom(store.write((tx) => tx.update('Task', 'bread', { votes: 1 } as never)));
    expect((await firstValueFrom(store.objects$('Task', { sort: { id: -1 } })))[0]).toBe(before[0]);
  });

  it('find by equal dates and by null, and sort null first', async () => {
    const store = opened();
    await create(store, { ...milk, id: 'a', due: new Date(7) });
    await create(store, { ...milk, id: 'b' });
    const ids = async (query: object) => (await firstValueFrom(store.objects$('Task', query))).map(({ id }) => id);
    expect(await ids({ where: { due: new Date(7) } })).toEqual(['a']);
    expect(await ids({ where: { due: null } })).toEqual(['b']);
    expect(await ids({ sort: { due: 1 } })).toEqual(['b', 'a']);
    expect(await ids({ limit: 0 })).toEqual([]);
  });

  it.each([
    [{ were: {} }, /query: expected one of where, sort, limit/],
    [{ where: { price: 1 } }, /where: expected properties of Task/],
    [{ where: { votes: 'many' } }, /where.votes: expected a whole number/],
    [{ sort: { votes: 2 } }, /sort.votes: expected 1 or -1/],
    [{ limit: -1 }, /limit: expected a number from 0/],
  ])('refuse %j', (query, text) => {
    expect(() => opened().objects$('Task', query)).toThrow(text);
  });

  it('tell what each batch inserted, modified and deleted', async () => {
    const store = opened();
    const told: unknown[] = [];
    store.changes$('Task').subscribe((changes) => told.push(changes));
    await create(store);
    await firstValueFrom(store.write((tx) => tx.update('Task', 'milk', { votes: 1 } as never)));
    await firstValueFrom(store.write((tx) => tx.delete('Task', 'milk')));
    const none = new Set();
    const some = new Set(['milk']);
    expect(told).toEqual([
      { inserted: some, modified: none, deleted: none },
      { inserted: none, modified: some, deleted: none },
      { inserted: none, modified: none, deleted: some },
    ]);
  });
});
