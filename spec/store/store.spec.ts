import { concatMap, concatWith, defer, firstValueFrom, lastValueFrom, of, throwError, toArray } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { encodeOperations, type Operation } from '../../lib/merge/operation.js';
import { RealmClosedError, StorageError, UnreadableChangeError } from '../../lib/model/errors.js';
import { checkedSchema } from '../../lib/model/schema.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import type { Storage } from '../../lib/storage/storage.js';
import { openStore } from '../../lib/store/open.js';
import type { Store } from '../../lib/store/store.js';
import { marbles } from '../../lib/testing/marbles.js';

const shapes = checkedSchema({
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', due: 'date?', votes: 'int?', done: 'bool' } },
});

const opened = (storage: Storage = memoryStorage()): Store => {
  let store: Store | undefined;
  openStore({ storage, shapes, clock: systemClock }).subscribe((made) => (store = made));
  if (!store) throw new Error('memory opens at once');
  return store;
};

const milk = { id: 'milk', title: 'Buy milk', done: false };
const create = (store: Store, values: object = milk) =>
  firstValueFrom(store.write((tx) => tx.create('Task', values as never)));

/** A storage whose batches fail while it is told to. */
const failing = () => {
  const inner = memoryStorage();
  const state = { full: false };
  const storage: Storage = {
    ...inner,
    batch: (changes, options) =>
      defer(() => (state.full ? throwError(() => new StorageError('disk full')) : inner.batch(changes, options))),
  };
  return { storage, state };
};

const page = (version: number, operations: readonly Operation[], time = 1) => ({
  changesets: [{ version, origin: 'other', time, count: 0, body: encodeOperations(operations) }],
  upTo: version,
});
const integrate = (store: Store, ...args: Parameters<typeof page>) =>
  lastValueFrom(store.integrate(page(...args)).pipe(concatWith(of('done'))));

describe('a store', () => {
  it('shows a write when it is durable, with its result and its client version', async () => {
    const store = opened();
    expect(await firstValueFrom(store.write((tx) => (tx.create('Task', milk as never), 7)))).toEqual({
      result: 7,
      version: 1,
    });
    expect(store.get('Task', 'milk')).toEqual({ ...milk, due: null, votes: null });
    expect(Object.isFrozen(store.get('Task', 'milk'))).toBe(true);
  });

  it('has everything again when it is opened again: objects, outbox, who it is', async () => {
    const storage = memoryStorage();
    const store = opened(storage);
    await create(store, { ...milk, due: new Date(5) });
    await firstValueFrom(store.write((tx) => tx.update('Task', 'milk' as never, { votes: 3 } as never)));
    const before = await firstValueFrom(store.greeting$);
    const again = opened(storage);
    expect(again.get('Task', 'milk')).toEqual({ ...milk, due: new Date(5), votes: 3 });
    expect(await firstValueFrom(again.greeting$)).toEqual(before);
    expect(await firstValueFrom(again.outbox$)).toMatchObject({ written: 2, acknowledged: 0, changesets: 2 });
  });

  it('leaves nothing of a write that throws, breaks the schema or is asynchronous', async () => {
    const store = opened();
    await create(store);
    const wrong: [() => unknown, RegExp | string][] = [
      [() => store.write((tx) => (tx.delete('Task', 'milk' as never), nothing())), 'no'],
      [
        () => store.write((tx) => tx.create('Task', milk as never)),
        'Task["milk"]: expected a primary key that is not taken, got "milk"',
      ],
      [
        () => store.write((tx) => tx.create('Task', { ...milk, id: 'a', done: 1 } as never)),
        'Task["a"].done: expected true or false, got 1',
      ],
      [
        () => store.write((tx) => tx.create('Task', { id: 'a', done: true } as never)),
        'Task["a"].title: expected a string, got undefined',
      ],
      [
        () => store.write((tx) => tx.update('Task', 'milk' as never, { price: 1 } as never)),
        /Task\["milk"\].price: expected one of id, title/,
      ],
      [() => store.write((tx) => tx.update('Task', 'milk' as never, { id: 'x' } as never)), /no new primary key/],
      [
        () => store.write((tx) => tx.update('Task', 'bread' as never, {})),
        'Task["bread"]: expected an object that is there, got undefined',
      ],
      [() => store.write((tx) => tx.delete('Task', 'bread' as never)), /expected an object that is there/],
      [() => store.write((tx) => tx.delete('Shop' as never, 'x' as never)), 'type: expected one of Task, got "Shop"'],
      [() => store.write((tx) => (tx.delete('Task', 'milk' as never), Promise.resolve())), /not asynchronous/],
    ];
    for (const [work, text] of wrong) expect(work).toThrow(text);
    expect(store.get('Task', 'milk')).toBeDefined();
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 1 });
  });

  it('gives a transaction its own changes and those of writes that are not durable yet', async () => {
    const { storage } = slow();
    const store = opened(storage);
    const first = create(store);
    const second = firstValueFrom(
      store.write((tx) => {
        tx.update('Task', 'milk' as never, { votes: 1 } as never);
        return tx.get('Task', 'milk' as never);
      }),
    );
    expect(store.get('Task', 'milk')).toBeUndefined(); // Durable before visible.
    await first;
    expect((await second).result).toMatchObject({ votes: 1 });
    expect(store.get('Task', 'milk')).toMatchObject({ votes: 1 });
  });

  it('has no use for a transaction that is over', async () => {
    const store = opened();
    let kept: { create: (type: never, values: never) => void } | undefined;
    await firstValueFrom(store.write((tx) => (kept = tx as never)));
    expect(() => kept?.create('Task' as never, milk as never)).toThrow(RealmClosedError);
  });

  it('does not count a write that changes nothing', async () => {
    const store = opened();
    await create(store);
    const same = store.write((tx) => tx.update('Task', 'milk' as never, { title: 'Buy milk' } as never));
    expect(await firstValueFrom(same)).toEqual({ result: undefined, version: 1 });
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 1, changesets: 1 });
  });

  it('rejects a write that the storage does not take, changes nothing, and works again afterwards', async () => {
    const { storage, state } = failing();
    const store = opened(storage);
    await create(store);
    state.full = true;
    await expect(create(store, { ...milk, id: 'bread' })).rejects.toThrow(StorageError);
    expect(store.get('Task', 'bread')).toBeUndefined();
    state.full = false;
    expect(await create(store, { ...milk, id: 'bread' })).toMatchObject({ version: 2 });
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 2, changesets: 2 });
  });

  it('takes all that was built on a failed write back with it', async () => {
    const { storage, fail } = slow();
    const store = opened(storage);
    const both = [
      create(store),
      firstValueFrom(store.write((tx) => tx.update('Task', 'milk' as never, { votes: 1 } as never))),
    ];
    fail();
    for (const each of both) await expect(each).rejects.toThrow(StorageError);
    expect(store.get('Task', 'milk')).toBeUndefined();
  });

  it('writes what comes while a batch is under way in one batch', async () => {
    const { storage, batches } = slow();
    const store = opened(storage);
    await Promise.all(Array.from({ length: 50 }, (_, id) => create(store, { ...milk, id: `t${id}` })));
    expect(batches()).toBeLessThanOrEqual(3); // the realm itself, the first write, all others
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 50 });
  });

  it('merges what others wrote, and remembers in the same batch how far it has read', async () => {
    const storage = memoryStorage();
    const store = opened(storage);
    const values = { id: 'milk', title: 'Milk!', due: null, votes: null, done: true };
    await integrate(store, 4, [{ kind: 'create', type: 'Task', key: 'milk', values }]);
    expect(store.get('Task', 'milk')).toEqual(values);
    expect(await firstValueFrom(opened(storage).greeting$)).toMatchObject({ seen: 4 });
    await integrate(store, 4, [{ kind: 'delete', type: 'Task', key: 'milk' }], 9); // again: it is already here
    expect(store.get('Task', 'milk')).toBeDefined();
  });

  it('writes later than everything it has seen, whatever its clock says', async () => {
    const store = opened();
    const future = Date.now() + 1e9;
    const values = { id: 'milk', title: 'from the future', due: null, votes: null, done: true };
    await integrate(store, 1, [{ kind: 'create', type: 'Task', key: 'milk', values }], future);
    await firstValueFrom(store.write((tx) => tx.update('Task', 'milk' as never, { title: 'from now' } as never)));
    expect(store.get('Task', 'milk')).toMatchObject({ title: 'from now' });
  });

  it('keeps types and properties that it does not know', async () => {
    const storage = memoryStorage();
    const store = opened(storage);
    const values = { id: 'milk', title: 'Milk', due: null, votes: null, done: true, colour: 'white' };
    await integrate(store, 1, [
      { kind: 'create', type: 'Task', key: 'milk', values },
      { kind: 'create', type: 'Shop', key: 1, values: { id: 1 } },
    ]);
    expect(store.get('Task', 'milk')).not.toHaveProperty('colour');
    const newer = checkedSchema({
      Task: { primaryKey: 'id', properties: { id: 'string', colour: 'string?' } },
      Shop: { primaryKey: 'id', properties: { id: 'int' } },
    });
    const later = await firstValueFrom(openStore({ storage, shapes: newer, clock: systemClock }));
    expect(later.get('Task', 'milk')).toEqual({ id: 'milk', colour: 'white' });
    expect(later.get('Shop', 1)).toEqual({ id: 1 });
  });

  it('E10 refuses a download that it cannot read before anything has changed', async () => {
    const store = opened();
    const good: Operation = { kind: 'create', type: 'Task', key: 'a', values: { id: 'a', title: 'a', done: true } };
    const bad: Operation = { kind: 'update', type: 'Task', key: 'b', values: { title: 7 } };
    await expect(integrate(store, 1, [good, bad])).rejects.toThrow(UnreadableChangeError);
    const junk = { changesets: [{ version: 1, origin: 'o', time: 1, count: 0, body: new Uint8Array([1]) }], upTo: 1 };
    await expect(lastValueFrom(store.integrate(junk))).rejects.toThrow(UnreadableChangeError);
    expect(store.get('Task', 'a')).toBeUndefined();
    expect(store.seen()).toBe(0);
  });

  it('takes acknowledged changes out of the outbox, and hands out the rest', async () => {
    const store = opened();
    for (const id of ['a', 'b', 'c']) await create(store, { ...milk, id });
    await lastValueFrom(store.acknowledge(2).pipe(concatWith(of(1))));
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 3, acknowledged: 2, changesets: 1 });
    const [left] = await firstValueFrom(store.uploads(2, of(2)));
    expect(left).toMatchObject({ version: 3 });
  });

  it('refuses a storage that holds something else, and leaves it as it is', async () => {
    const storage = memoryStorage();
    await lastValueFrom(
      storage.batch([{ type: 'put', key: 'x', value: new Uint8Array([1]) }], { durable: true }).pipe(concatWith(of(1))),
    );
    await expect(firstValueFrom(openStore({ storage, shapes, clock: systemClock }))).rejects.toThrow(
      /holds something else/,
    );
    const all = await firstValueFrom(storage.range({ from: ' ', to: '~', limit: 9, bytesMax: 1e9 }));
    expect(all).toHaveLength(1);
  });

  it('completes its streams when it is closed, after what is under way', async () => {
    const store = opened();
    const results = lastValueFrom(store.objects$('Task').pipe(toArray()));
    const write = create(store);
    await lastValueFrom(store.close().pipe(concatWith(of(1))));
    await write;
    expect((await results).map((all) => all.length)).toEqual([0, 1]);
    await expect(create(store, { ...milk, id: 'late' })).rejects.toThrow(RealmClosedError);
  });
});

describe('live queries', () => {
  it(
    'emit the present result at once, and a new one after each batch that changes it, and only then',
    marbles((m) => {
      const store = opened();
      const add = (id: string, votes: number) =>
        store.write((tx) => tx.create('Task', { ...milk, id, votes } as never));
      const acts: Record<string, () => unknown> = {
        a: () => add('a', 5),
        b: () => add('b', 9),
        c: () => add('c', 1),
        u: () => store.write((tx) => tx.update('Task', 'c' as never, { title: 'other' } as never)),
        d: () => store.write((tx) => tx.delete('Task', 'b' as never)),
      };
      m.cold('-a-b-c-u-d').subscribe((act) => acts[act]?.());
      const top = store.objects$('Task', {
        where: (task: { votes: number }) => task.votes > 3,
        sort: { votes: -1 },
        limit: 2,
      });
      const ids = (found: string) => [...found].map((id) => expect.objectContaining({ id }) as unknown);
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
    await firstValueFrom(store.write((tx) => tx.update('Task', 'bread' as never, { votes: 1 } as never)));
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
    await firstValueFrom(store.write((tx) => tx.update('Task', 'milk' as never, { votes: 1 } as never)));
    await firstValueFrom(store.write((tx) => tx.delete('Task', 'milk' as never)));
    const none = new Set();
    const some = new Set(['milk']);
    expect(told).toEqual([
      { inserted: some, modified: none, deleted: none },
      { inserted: none, modified: some, deleted: none },
      { inserted: none, modified: none, deleted: some },
    ]);
  });
});

const nothing = (): never => {
  throw new Error('no');
};

/** A storage whose batches take a turn of the event loop. */
const slow = () => {
  const inner = memoryStorage();
  let count = 0;
  let failed = false;
  const storage: Storage = {
    ...inner,
    batch: (changes, options) =>
      defer(() => {
        count += 1;
        return defer(() => (count === 1 ? of(0) : Promise.resolve())).pipe(
          concatMap(() => (failed ? throwError(() => new StorageError('disk full')) : inner.batch(changes, options))),
        );
      }),
  };
  return { storage, batches: () => count, fail: () => (failed = true) };
};
