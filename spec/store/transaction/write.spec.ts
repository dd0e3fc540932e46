import { firstValueFrom } from 'rxjs';
import { InvalidStateError, SchemaError } from '../../../lib/model/errors.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import {
  createTask,
  waitUntilDone,
  milk,
  openTestStore,
  openStoreWith,
  createPage,
  createSlowStorage,
} from '../test-kit.js';

describe('a write', () => {
  it('is rejected inside another write, which may continue', async () => {
    const store = openTestStore();
    const nested = () => createTask(store, { ...milk, id: 'inner' });
    expect(() => store.write(nested)).toThrow(InvalidStateError);
    await firstValueFrom(
      store.write((tx) => {
        expect(nested).toThrow('realm.write was called inside another write. Use the tx argument of the outer one.');
        tx.create('Task', milk);
      }),
    );
    await createTask(store, { ...milk, id: 'after' });
    expect((await firstValueFrom(store.objects$('Task'))).map(({ id }) => id)).toEqual(['after', 'milk']);
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 2 });
  });

  it('is rejected when its function applies a download, because it would build on an outdated state', async () => {
    const store = openTestStore();
    await createTask(store);
    const download = createPage(1, [{ kind: 'update', type: 'Task', key: 'milk', values: { title: 'remote' } }], 9e12);
    const wrong = () =>
      store.write((tx) => {
        tx.update('Task', 'milk', { votes: 1 });
        void waitUntilDone(store.integrate(download));
      });
    expect(wrong).toThrow(/^A download was applied inside realm\.write\./);
    expect(store.get('Task', 'milk')).toMatchObject({ title: 'remote', votes: null });
    await firstValueFrom(store.write((tx) => tx.update('Task', 'milk', { title: 'later' } as never)));
    expect(store.get('Task', 'milk')).toMatchObject({ title: 'later' });
  });

  it('that changes nothing completes when the state that it has read is durable, and fails with it', async () => {
    const { storage, fail } = createSlowStorage();
    const store = openTestStore(storage);
    const same = () => firstValueFrom(store.write((tx) => tx.update('Task', 'milk', { title: 'Buy milk' } as never)));
    const first = createTask(store);
    await same();
    expect(store.get('Task', 'milk')).toBeDefined();
    await first;
    fail();
    const both = [
      firstValueFrom(store.write((tx) => tx.update('Task', 'milk', { votes: 1 } as never))),
      firstValueFrom(store.write((tx) => tx.update('Task', 'milk', { votes: 1 } as never))),
    ];
    for (const each of both) await expect(each).rejects.toThrow('disk full');
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ written: 1 });
  });

  it('is stored with or without a subscriber', () => {
    const store = openTestStore();
    void store.write((tx) => tx.create('Task', milk as never));
    expect(store.get('Task', 'milk')).toBeDefined();
  });

  it('may be started in the callback of another write', async () => {
    const { storage } = createSlowStorage();
    const store = openTestStore(storage);
    const names = ['b', 'c', 'd'];
    store.changes$('Task').subscribe(() => {
      const id = names.shift();
      if (id) void createTask(store, { ...milk, id });
    });
    await createTask(store);
    const last = (await firstValueFrom(store.outbox$)).written;
    while ((await firstValueFrom(store.outbox$)).written < 4) await Promise.resolve();
    expect(last).toBeLessThan(4);
    expect(names).toEqual([]);
  });

  it('may be started in the callback of another write any number of times', async () => {
    const store = openTestStore();
    let count = 0;
    store.changes$('Task').subscribe(() => {
      count += 1;
      if (count < 20_000) void store.write((tx) => tx.update('Task', 'milk', { votes: count } as never));
    });
    await createTask(store);
    expect(count).toBe(20_000);
    expect(store.get('Task', 'milk')).toMatchObject({ votes: 19_999 });
  });

  it('immediately has the values that every replica will have: half characters replaced, no negative zero', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    await createTask(store, { ...milk, title: 'a\ud800b', votes: -0 });
    const task = store.get('Task', 'milk');
    expect(task).toMatchObject({ title: 'a\ufffdb', votes: 0 });
    expect(openTestStore(storage).get('Task', 'milk')).toEqual(task);
    const [found] = await firstValueFrom(store.objects$('Task', { where: { title: 'a\ud800b', votes: -0 } }));
    expect(found).toBe(task);
  });

  it('rejects a key with half a character: two such keys would become equal', () => {
    const wrong = () => createTask(openTestStore(), { ...milk, id: 'a\ud800' });
    expect(wrong).toThrow(SchemaError);
  });

  it.each([['tea & coffee/100%'], ['ключ'], ['💚'], ['.'], ['__proto__'], ['n5'], ["it's (not) *here*!"]])(
    'finds an object by the key %j',
    async (id) => {
      const storage = memoryStorage();
      await createTask(openTestStore(storage), { ...milk, id });
      expect(openTestStore(storage).get('Task', id)).toEqual({ ...milk, id, due: null, votes: null });
    },
  );

  it.each([[0], [-1], [7], [Number.MAX_SAFE_INTEGER], [-Number.MAX_SAFE_INTEGER]])(
    'finds an object by the key %d',
    async (id) => {
      const storage = memoryStorage();
      const schema = { Item: { primaryKey: 'id', properties: { id: 'int' } } } as const;
      await firstValueFrom(openStoreWith(schema, storage).write((tx) => tx.create('Item', { id })));
      expect(openStoreWith(schema, storage).get('Item', id)).toEqual({ id });
    },
  );

  it('copies bytes and dates, so that later modifications by the app have no effect', async () => {
    const schema = { Photo: { primaryKey: 'id', properties: { id: 'int', data: 'data', at: 'date' } } } as const;
    const store = openStoreWith(schema);
    const [data, at] = [new Uint8Array([1, 2]), new Date(5)];
    await firstValueFrom(store.write((tx) => tx.create('Photo', { id: 1, data, at })));
    data[0] = 9;
    at.setTime(9);
    expect(store.get('Photo', 1)).toEqual({ id: 1, data: new Uint8Array([1, 2]), at: new Date(5) });
  });

  it('stores a uuid in lower case, and finds it in any case', async () => {
    const store = openStoreWith({ Item: { primaryKey: 'id', properties: { id: 'uuid' } } });
    const id = 'ABCDEF00-0000-4000-8000-00000000000A';
    await firstValueFrom(store.write((tx) => tx.create('Item', { id })));
    expect(store.get('Item', id)).toEqual({ id: id.toLowerCase() });
    expect(await firstValueFrom(store.objects$('Item', { where: { id } }))).toHaveLength(1);
    expect(() => store.write((tx) => tx.create('Item', { id: id.toLowerCase() }))).toThrow(/already exists/);
  });
});
