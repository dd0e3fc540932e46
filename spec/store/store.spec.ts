import { concatWith, firstValueFrom, lastValueFrom, of, toArray } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { encodeOperations } from '../../lib/merge/operation-codec.js';
import type { Operation } from '../../lib/merge/operation.js';
import { RealmClosedError, StorageError, UnreadableChangeError } from '../../lib/model/errors.js';
import { checkSchema } from '../../lib/model/schema.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { openStore } from '../../lib/store/open-store.js';
import {
  createTask,
  createFailingStorage,
  integratePage,
  milk,
  throwUnexpected,
  openTestStore,
  createPage,
  shapes,
  createSlowStorage,
  identityOf,
} from './test-kit.js';

describe('a store', () => {
  it('shows a write when it is durable, with its result and its client version', async () => {
    const store = openTestStore();
    expect(await firstValueFrom(store.write((tx) => (tx.create('Task', milk as never), 7)))).toEqual({
      result: 7,
      version: 1,
    });
    expect(store.get('Task', 'milk')).toEqual({ ...milk, due: null, votes: null });
    expect(Object.isFrozen(store.get('Task', 'milk'))).toBe(true);
  });

  it('restores its objects, outbox and replica id when it is opened again', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    await createTask(store, { ...milk, due: new Date(5) });
    await firstValueFrom(store.write((tx) => tx.update('Task', 'milk', { votes: 3 } as never)));
    const before = await identityOf(store);
    const again = openTestStore(storage);
    expect(again.get('Task', 'milk')).toEqual({ ...milk, due: new Date(5), votes: 3 });
    expect(await identityOf(again)).toEqual(before);
    expect(await firstValueFrom(again.outbox$)).toMatchObject({ written: 2, acknowledged: 0, changesets: 2 });
  });

  it('keeps nothing of a write that throws, violates the schema or is asynchronous', async () => {
    const store = openTestStore();
    await createTask(store);
    const wrong: [() => unknown, RegExp | string][] = [
      [() => store.write((tx) => (tx.delete('Task', 'milk'), throwUnexpected())), 'no'],
      [() => store.write((tx) => tx.create('Task', milk as never)), 'Task "milk" already exists.'],
      [
        () => store.write((tx) => tx.create('Task', { ...milk, id: 'a', done: 1 })),
        'Task["a"].done must be true or false, received 1.',
      ],
      [
        () => store.write((tx) => tx.create('Task', { id: 'a', done: true })),
        'Task["a"].title must be a string, received undefined.',
      ],
      [
        () => store.write((tx) => tx.update('Task', 'milk', { price: 1 } as never)),
        /Task "milk" has no property "price", only id, title/,
      ],
      [() => store.write((tx) => tx.update('Task', 'milk', { id: 'x' } as never)), /to change a primary key, delete/],
      [() => store.write((tx) => tx.update('Task', 'bread', {})), 'Task "bread" does not exist.'],
      [() => store.write((tx) => tx.delete('Task', 'bread')), /Task "bread" does not exist/],
      [() => store.write((tx) => tx.delete('Shop' as never, 'x')), 'type must be one of Task, received "Shop"'],
      [() => store.write((tx) => (tx.delete('Task', 'milk'), Promise.resolve())), /a synchronous function/],
    ];
    for (const [work, text] of wrong) expect(work).toThrow(text);
    expect(store.get('Task', 'milk')).toBeDefined();
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 1 });
  });

  it('shows a transaction its own changes and those of writes that are not durable yet', async () => {
    const { storage } = createSlowStorage();
    const store = openTestStore(storage);
    const first = createTask(store);
    const second = firstValueFrom(
      store.write((tx) => {
        tx.update('Task', 'milk', { votes: 1 });
        return tx.get('Task', 'milk');
      }),
    );
    expect(store.get('Task', 'milk')).toBeUndefined(); // Durable before visible.
    await first;
    expect((await second).result).toMatchObject({ votes: 1 });
    expect(store.get('Task', 'milk')).toMatchObject({ votes: 1 });
  });

  it('rejects the use of a transaction that is over', async () => {
    const store = openTestStore();
    let kept: { create: (type: never, values: never) => void } | undefined;
    await firstValueFrom(store.write((tx) => (kept = tx as never)));
    expect(() => kept?.create('Task' as never, milk as never)).toThrow(RealmClosedError);
  });

  it('gives no version to a write that changes nothing', async () => {
    const store = openTestStore();
    await createTask(store);
    const same = store.write((tx) => tx.update('Task', 'milk', { title: 'Buy milk' } as never));
    expect(await firstValueFrom(same)).toEqual({ result: undefined, version: 1 });
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 1, changesets: 1 });
  });

  it('rejects a write when the storage fails, changes nothing, and accepts later writes', async () => {
    const { storage, state } = createFailingStorage();
    const store = openTestStore(storage);
    await createTask(store);
    state.full = true;
    await expect(createTask(store, { ...milk, id: 'bread' })).rejects.toThrow(StorageError);
    expect(store.get('Task', 'bread')).toBeUndefined();
    state.full = false;
    expect(await createTask(store, { ...milk, id: 'bread' })).toMatchObject({ version: 2 });
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 2, changesets: 2 });
  });

  it('rolls back all writes that build on a failed write', async () => {
    const { storage, fail } = createSlowStorage();
    const store = openTestStore(storage);
    const both = [
      createTask(store),
      firstValueFrom(store.write((tx) => tx.update('Task', 'milk', { votes: 1 } as never))),
    ];
    fail();
    for (const each of both) await expect(each).rejects.toThrow(StorageError);
    expect(store.get('Task', 'milk')).toBeUndefined();
  });

  it('stores all writes that arrive during a batch in the next one', async () => {
    const { storage, batches } = createSlowStorage();
    const store = openTestStore(storage);
    await Promise.all(Array.from({ length: 50 }, (_, id) => createTask(store, { ...milk, id: `t${id}` })));
    expect(batches()).toBeLessThanOrEqual(3); // the realm itself, the first write, all others
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 50 });
  });

  it('merges the changes of other replicas, with the cursor in the same batch', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    const values = { id: 'milk', title: 'Milk!', due: null, votes: null, done: true };
    await integratePage(store, 4, [{ kind: 'create', type: 'Task', key: 'milk', values }]);
    expect(store.get('Task', 'milk')).toEqual(values);
    expect(await firstValueFrom(openTestStore(storage).greeting$)).toMatchObject({ downloadedTo: 4 });
    // again, although it is already integrated
    await integratePage(store, 4, [{ kind: 'delete', type: 'Task', key: 'milk' }], 9);
    expect(store.get('Task', 'milk')).toBeDefined();
  });

  it('stamps writes later than everything it has received, whatever its clock says', async () => {
    const store = openTestStore();
    const future = Date.now() + 1e9;
    const values = { id: 'milk', title: 'from the future', due: null, votes: null, done: true };
    await integratePage(store, 1, [{ kind: 'create', type: 'Task', key: 'milk', values }], future);
    await firstValueFrom(store.write((tx) => tx.update('Task', 'milk', { title: 'from now' } as never)));
    expect(store.get('Task', 'milk')).toMatchObject({ title: 'from now' });
  });

  it('stamps writes later than everything it has received also after it was opened again', async () => {
    const storage = memoryStorage();
    const values = { id: 'milk', title: 'from the future', due: null, votes: null, done: true };
    const future = Date.now() + 1e9;
    await integratePage(openTestStore(storage), 1, [{ kind: 'create', type: 'Task', key: 'milk', values }], future);
    const again = openTestStore(storage);
    await firstValueFrom(again.write((tx) => tx.update('Task', 'milk', { title: 'from now' } as never)));
    expect(again.get('Task', 'milk')).toMatchObject({ title: 'from now' });
  });

  it('keeps unknown types and properties', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    const values = { id: 'milk', title: 'Milk', due: null, votes: null, done: true, colour: 'white' };
    await integratePage(store, 1, [
      { kind: 'create', type: 'Task', key: 'milk', values },
      { kind: 'create', type: 'Shop', key: 1, values: { id: 1 } },
    ]);
    expect(store.get('Task', 'milk')).not.toHaveProperty('colour');
    const newer = checkSchema({
      Task: { primaryKey: 'id', properties: { id: 'string', colour: 'string?' } },
      Shop: { primaryKey: 'id', properties: { id: 'int' } },
    });
    const later = await firstValueFrom(openStore({ storage, shapes: newer, clock: systemClock }));
    expect(later.get('Task', 'milk')).toEqual({ id: 'milk', colour: 'white' });
    expect(later.get('Shop', 1)).toEqual({ id: 1 });
  });

  it('E10 rejects a page that it cannot decode before anything has changed', async () => {
    const store = openTestStore();
    const good: Operation = { kind: 'create', type: 'Task', key: 'a', values: { id: 'a', title: 'a', done: true } };
    const junk = {
      changesets: [
        ...createPage(1, [good]).changesets,
        { version: 2, origin: 'o', time: 1, count: 0, body: new Uint8Array([1]) },
      ],
      upTo: 2,
      bytes: 0,
      remainingBytes: 0,
    };
    await expect(lastValueFrom(store.integrate(junk))).rejects.toThrow(UnreadableChangeError);
    expect(store.get('Task', 'a')).toBeUndefined();
    expect(store.downloadProgress().version).toBe(0);
  });

  it('field report E-4: sets aside an object with an invalid number in the history, until it is written again', async () => {
    const store = openTestStore();
    await integratePage(store, 1, [
      { kind: 'create', type: 'Task', key: 'a', values: { ...milk, id: 'a', votes: NaN } },
    ]);
    expect(store.get('Task', 'a')).toBeUndefined();
    expect(await firstValueFrom(store.setAside$)).toMatchObject([{ key: 'a', property: 'votes', stored: 'NaN' }]);
    await integratePage(store, 2, [{ kind: 'update', type: 'Task', key: 'a', values: { votes: 1 } }], 2);
    expect(store.get('Task', 'a')).toMatchObject({ votes: 1 });
  });

  it('removes acknowledged changesets from the outbox, and uploads the rest', async () => {
    const store = openTestStore();
    for (const id of ['a', 'b', 'c']) await createTask(store, { ...milk, id });
    await lastValueFrom(store.acknowledge(2).pipe(concatWith(of(1))));
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 3, acknowledged: 2, changesets: 1 });
    const [left] = await firstValueFrom(store.uploads(2, of(2)));
    expect(left).toMatchObject({ version: 3 });
  });

  it('rejects a storage with other data, and leaves it as it is', async () => {
    const storage = memoryStorage();
    await lastValueFrom(
      storage.batch([{ type: 'put', key: 'x', value: new Uint8Array([1]) }], { durable: true }).pipe(concatWith(of(1))),
    );
    await expect(firstValueFrom(openStore({ storage, shapes, clock: systemClock }))).rejects.toThrow(
      /holds other data/,
    );
    const all = await firstValueFrom(storage.range({ from: ' ', to: '~', limit: 9, bytesMax: 1e9 }));
    expect(all).toHaveLength(1);
  });

  it('completes its streams after pending commits when it is closed', async () => {
    const store = openTestStore();
    const results = lastValueFrom(store.objects$('Task').pipe(toArray()));
    const write = createTask(store);
    await lastValueFrom(store.close().pipe(concatWith(of(1))));
    await write;
    expect((await results).map((all) => all.length)).toEqual([0, 1]);
    for (const use of [
      () => createTask(store, { ...milk, id: 'late' }),
      () => store.get('Task', 'milk'),
      () => store.objects$('Task'),
      () => store.object$('Task', 'milk'),
      () => store.changes$('Task'),
    ]) {
      expect(use).toThrow(RealmClosedError);
    }
  });
});

describe('an invalid stamp', () => {
  it.each([
    ['half a millisecond', { time: 1.5, count: 0 }],
    ['a time before 1970', { time: -1, count: 0 }],
    ['a count that is too large', { time: 1, count: Number.MAX_SAFE_INTEGER }],
  ])('is rejected before it is stored, so that the realm can be opened again: %s', async (_, instant) => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    const operations: Operation[] = ['a', 'b'].map((key) => ({ kind: 'delete', type: 'Task', key }));
    const changesets = [{ version: 1, origin: 'other', ...instant, body: encodeOperations(operations) }];
    await expect(lastValueFrom(store.integrate({ changesets, upTo: 1, bytes: 0, remainingBytes: 0 }))).rejects.toThrow(
      UnreadableChangeError,
    );
    expect(openTestStore(storage).downloadProgress().version).toBe(0);
  });
});
