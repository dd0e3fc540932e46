import { firstValueFrom, lastValueFrom } from 'rxjs';
import { endOfTurn$ } from '../../../lib/clock.js';
import { marbles } from '../../../lib/testing/marbles.js';
import { createTask, integratePage, milk, openTestStore, openStoreWith, createSlowStorage } from '../test-kit.js';

describe('live queries', () => {
  it(
    'emit the current result synchronously, then a new one after each batch that changes it',
    marbles((m) => {
      const store = openTestStore();
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
    const store = openTestStore();
    await createTask(store);
    await createTask(store, { ...milk, id: 'bread' });
    const before = await firstValueFrom(store.objects$('Task', { where: { id: 'milk' } }));
    await firstValueFrom(store.write((tx) => tx.update('Task', 'bread', { votes: 1 } as never)));
    expect((await firstValueFrom(store.objects$('Task', { sort: { id: -1 } })))[0]).toBe(before[0]);
  });

  it('find by equal dates and by null, and sort null first', async () => {
    const store = openTestStore();
    await createTask(store, { ...milk, id: 'a', due: new Date(7) });
    await createTask(store, { ...milk, id: 'b' });
    const ids = async (query: object) => (await firstValueFrom(store.objects$('Task', query))).map(({ id }) => id);
    expect(await ids({ where: { due: new Date(7) } })).toEqual(['a']);
    expect(await ids({ where: { due: null } })).toEqual(['b']);
    expect(await ids({ sort: { due: 1 } })).toEqual(['b', 'a']);
    expect(await ids({ limit: 0 })).toEqual([]);
  });

  it('sort ties by primary key, whenever they were created', async () => {
    const store = openTestStore();
    for (const id of ['c', 'a', 'b', 'd']) await createTask(store, { ...milk, id, votes: id === 'd' ? 0 : 1 });
    const found = await firstValueFrom(store.objects$('Task', { sort: { votes: 1 } }));
    expect(found.map(({ id }) => id)).toEqual(['d', 'a', 'b', 'c']);
  });

  it('sort by the dates of lists, sets and dictionaries', async () => {
    const properties = { id: 'string', list: 'date[]', set: 'date<>', at: 'date{}' } as const;
    const store = openStoreWith({ Plan: { primaryKey: 'id', properties } });
    await firstValueFrom(
      store.write((tx) => {
        for (const [id, time] of Object.entries({ a: 5, b: 1, c: 3 })) {
          const date = new Date(time);
          tx.create('Plan', { id, list: [date], set: [date], at: { due: date } });
        }
      }),
    );
    for (const name of ['list', 'set', 'at']) {
      const found = await firstValueFrom(store.objects$('Plan', { sort: { [name]: 1 } }));
      expect(found.map(({ id }) => id)).toEqual(['b', 'c', 'a']);
    }
  });

  it('compare all bytes of a value, in where and in sort', async () => {
    const bytes = (last: number, length = 2_000) => Uint8Array.from({ length }, (_, at) => (at === 1_999 ? last : 7));
    const store = openStoreWith({ Photo: { primaryKey: 'id', properties: { id: 'int', data: 'data' } } });
    const photos = [bytes(10), bytes(3), bytes(0, 1_000), bytes(9)];
    for (const [id, data] of photos.entries()) {
      await firstValueFrom(store.write((tx) => tx.create('Photo', { id, data })));
    }
    const ids = async (query: object) => (await firstValueFrom(store.objects$('Photo', query))).map(({ id }) => id);
    expect(await ids({ where: { data: bytes(3) } })).toEqual([1]);
    expect(await ids({ where: { data: bytes(3, 1_999) } })).toEqual([]);
    expect(await ids({ sort: { data: 1 } })).toEqual([2, 1, 3, 0]);
    expect(await ids({ sort: { data: -1 } })).toEqual([0, 3, 1, 2]);
  });

  it('include what a reader writes when it gets the first result', async () => {
    const store = openTestStore();
    const sizes: number[] = [];
    const titles: unknown[] = [];
    store.objects$('Task').subscribe((all) => {
      sizes.push(all.length);
      if (all.length === 0) void createTask(store);
    });
    store.object$('Task', 'milk').subscribe((task) => {
      titles.push(task?.['title']);
      if (titles.length === 1) void store.write((tx) => tx.update('Task', 'milk', { title: 'other' } as never));
    });
    await lastValueFrom(endOfTurn$);
    expect(sizes).toEqual([0, 1]); // Both writes happen in one event-loop turn.
    expect(titles).toEqual(['Buy milk', 'other']);
  });

  it('emit the first result synchronously, then once at the end of each event-loop turn', async () => {
    const store = openTestStore();
    const sizes: number[] = [];
    const titles: unknown[] = [];
    store.objects$('Task').subscribe((all) => sizes.push(all.length));
    store.object$('Task', 'milk').subscribe((task) => titles.push(task?.['title']));
    void createTask(store);
    void createTask(store, { ...milk, id: 'bread' });
    void firstValueFrom(store.write((tx) => tx.update('Task', 'milk', { title: 'other' } as never)));
    expect(sizes).toEqual([0]);
    await lastValueFrom(endOfTurn$);
    expect(sizes).toEqual([0, 2]);
    expect(titles).toEqual([undefined, 'other']);
  });

  it('have emitted a write when its promise resolves', async () => {
    const store = openTestStore();
    const sizes: number[] = [];
    store.objects$('Task').subscribe((all) => sizes.push(all.length));
    await createTask(store);
    expect(sizes).toEqual([0, 1]);
  });

  it('do not emit for changes that readers cannot see: an equal value, a property of a newer app, an object that never existed', async () => {
    const store = openTestStore();
    const values = { ...milk, due: null, votes: null };
    await integratePage(store, 1, [{ kind: 'create', type: 'Task', key: 'milk', values }], 1);
    const before = store.get('Task', 'milk');
    const emitted: unknown[] = [];
    store.changes$('Task').subscribe((changes) => emitted.push(changes));
    store.objects$('Task').subscribe((all) => emitted.push(all));
    emitted.length = 0;
    await integratePage(store, 2, [{ kind: 'update', type: 'Task', key: 'milk', values: { title: 'Buy milk' } }], 2);
    await integratePage(store, 3, [{ kind: 'update', type: 'Task', key: 'milk', values: { colour: 'white' } }], 3);
    await integratePage(store, 4, [{ kind: 'update', type: 'Task', key: 'tea', values: { title: 'Tea' } }], 4);
    await firstValueFrom(
      store.write((tx) => {
        tx.create('Task', { ...milk, id: 'brief' });
        tx.delete('Task', 'brief');
      }),
    );
    expect(emitted).toEqual([]);
    expect(store.get('Task', 'milk')).toBe(before);
    await integratePage(store, 5, [{ kind: 'update', type: 'Task', key: 'milk', values: { due: 5 } }], 5);
    expect(emitted).toHaveLength(2);
    expect(store.get('Task', 'milk')).not.toBe(before);
  });

  it('emit frozen results', async () => {
    const store = openTestStore();
    await createTask(store);
    const all = await firstValueFrom(store.objects$('Task'));
    expect(Object.isFrozen(all) && Object.isFrozen(all[0])).toBe(true);
  });

  it('are sorted by primary key by default', async () => {
    const store = openTestStore();
    for (const id of ['c', 'a', 'b']) await createTask(store, { ...milk, id });
    expect((await firstValueFrom(store.objects$('Task'))).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  });

  it('call a predicate again only for changed objects', async () => {
    const store = openTestStore();
    let most = 1;
    const sizes: number[] = [];
    store
      .objects$('Task', { where: ({ votes }: { votes: number }) => votes <= most })
      .subscribe((all) => sizes.push(all.length));
    for (const votes of [1, 2, 3]) await createTask(store, { ...milk, id: `${votes}`, votes });
    most = 0; // Results of an impure predicate are unspecified, but it must not break the query.
    await firstValueFrom(store.write((tx) => tx.update('Task', '1', { votes: 0 } as never)));
    most = 9;
    await firstValueFrom(store.write((tx) => tx.update('Task', '2', { votes: 9 } as never)));
    expect(sizes.slice(0, 2)).toEqual([0, 1]);
    expect(sizes.at(-1)).toBeGreaterThanOrEqual(2);
  });

  it('are correct for a subscription in the callback of a batch', async () => {
    const { storage } = createSlowStorage();
    const store = openTestStore(storage);
    const sizes: number[][] = [];
    store.outbox$.subscribe(() => {
      const own: number[] = [];
      sizes.push(own);
      store.objects$('Task').subscribe((all) => own.push(all.length));
    });
    for (const id of ['a', 'b', 'c']) await createTask(store, { ...milk, id });
    await firstValueFrom(store.write((tx) => tx.delete('Task', 'b')));
    expect(sizes).toEqual([[0, 1, 2, 3, 2], [1, 2, 3, 2], [2, 3, 2], [3, 2], [2]]);
  });

  it('are correct after batches with many changes', async () => {
    const store = openTestStore();
    const results: string[][] = [];
    const popular = { where: ({ votes }: { votes: number }) => votes > 20, sort: { votes: -1 }, limit: 3 };
    store.objects$('Task', popular).subscribe((all) => results.push(all.map(({ id }) => String(id))));
    const ids = Array.from({ length: 40 }, (_, votes) => [`t${votes}`, votes] as const);
    await firstValueFrom(store.write((tx) => ids.forEach(([id, votes]) => tx.create('Task', { ...milk, id, votes }))));
    await firstValueFrom(
      store.write((tx) => ids.forEach(([id, votes]) => tx.update('Task', id, { votes: 39 - votes }))),
    );
    await firstValueFrom(store.write((tx) => ids.slice(0, 30).forEach(([id]) => tx.delete('Task', id))));
    expect(results).toEqual([[], ['t39', 't38', 't37'], ['t0', 't1', 't2'], []]);
  });

  it('emit once for all writes of a batch', async () => {
    const { storage } = createSlowStorage();
    const store = openTestStore(storage);
    const sizes: number[] = [];
    store.objects$('Task').subscribe((all) => sizes.push(all.length));
    await Promise.all(['a', 'b', 'c', 'd'].map((id) => createTask(store, { ...milk, id })));
    // The first write is stored alone, the others wait for it and are stored together.
    expect(sizes).toEqual([0, 1, 4]);
  });

  it.each([
    [{ were: {} }, /query must be a record with only the names where, sort, limit/],
    [{ where: { price: 1 } }, /where must be a record of properties of Task/],
    [{ where: { votes: 'many' } }, /where.votes must be a whole number/],
    [{ sort: { votes: 2 } }, /sort.votes must be 1 or -1/],
    [{ limit: -1 }, /limit must be a whole number from 0/],
  ])('reject %j', (query, text) => {
    expect(() => openTestStore().objects$('Task', query)).toThrow(text);
  });

  it('report the inserted, modified and deleted keys of each batch', async () => {
    const store = openTestStore();
    const emitted: unknown[] = [];
    store.changes$('Task').subscribe((changes) => emitted.push(changes));
    await createTask(store);
    await firstValueFrom(store.write((tx) => tx.update('Task', 'milk', { votes: 1 } as never)));
    await firstValueFrom(store.write((tx) => tx.delete('Task', 'milk')));
    const none = new Set();
    const some = new Set(['milk']);
    expect(emitted).toEqual([
      { inserted: some, modified: none, deleted: none, left: none },
      { inserted: none, modified: some, deleted: none, left: none },
      { inserted: none, modified: none, deleted: some, left: none },
    ]);
  });
});
