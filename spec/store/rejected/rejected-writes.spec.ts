import { firstValueFrom } from 'rxjs';
import { InvalidArgumentError, InvalidStateError, SchemaError, StorageError } from '../../../lib/model/errors.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';
import type { Store } from '../../../lib/store/store.js';
import { waitUntilDone, createFailingStorage, openStoreWith } from '../test-kit.js';

const schema = {
  Note: { primaryKey: 'id', properties: { id: 'string', text: 'string', tags: 'string[]', likes: 'counter' } },
} as const;

const openNoteStore = (storage?: Storage): Store => openStoreWith(schema, storage);
const write = (store: Store, change: Parameters<Store['write']>[0]) => firstValueFrom(store.write(change));
const create = (store: Store, id = 'a') =>
  write(store, (tx) => {
    tx.create('Note', { id, text: 'one', tags: ['x'] });
    tx.list('Note', id, 'tags').push('y', 'z');
    tx.list('Note', id, 'tags').move(2, 0);
    tx.increment('Note', id, 'likes', 2);
  });
/** The server has rejected a write; in its state, these objects do not exist. */
const reject = (store: Store, version: number, ...keys: string[]) =>
  waitUntilDone(
    store.rollBack({
      version,
      writes: keys.map((key) => ({ type: 'Note', key, reason: 'too late' })),
      code: 'not-permitted',
      serverStates: keys.map((key) => ({ type: 'Note', key, state: null })),
    }),
  );
const readRejected = (store: Store) => firstValueFrom(store.rejectedWrites$);
const note = { id: 'a', text: 'one', tags: ['z', 'x', 'y'], likes: 2 };

describe('a rejected write', () => {
  it('E9 is kept with its payload, its reason and the current objects, and survives a restart', async () => {
    const storage = memoryStorage();
    const store = openNoteStore(storage);
    await create(store);
    await reject(store, 1, 'a');
    const [rejected] = await readRejected(store);
    expect([store.stats().rejectedWrites, openNoteStore(storage).stats().rejectedWrites]).toEqual([1, 1]);
    expect(rejected).toMatchObject({
      id: 1,
      version: 1,
      objects: [{ type: 'Note', key: 'a', reason: 'too late', current: undefined }],
      operations: [
        { kind: 'create', values: { text: 'one' } },
        { kind: 'insert' },
        { kind: 'insert' },
        { kind: 'move' },
        { kind: 'increment' },
      ],
    });
    expect(rejected?.writtenAt).toBeInstanceOf(Date);
    expect(await readRejected(openNoteStore(storage))).toEqual([rejected]);
  });

  it('is written again as a whole by retry, and removed', async () => {
    const storage = memoryStorage();
    const store = openNoteStore(storage);
    await create(store);
    await reject(store, 1, 'a');
    expect(store.get('Note', 'a')).toBeUndefined();
    expect(await firstValueFrom(store.retry(1))).toEqual({ result: undefined, version: 2 });
    expect(store.get('Note', 'a')).toEqual(note);
    expect(await readRejected(store)).toEqual([]);
    const again = openNoteStore(storage);
    expect(again.get('Note', 'a')).toEqual(note);
    expect(await readRejected(again)).toEqual([]);
  });

  it('is applied to an object that another device has created meanwhile', async () => {
    const store = openNoteStore();
    await create(store);
    await reject(store, 1, 'a');
    await write(store, (tx) => {
      tx.create('Note', { id: 'a', text: 'theirs', tags: ['0'] });
    });
    await firstValueFrom(store.retry(1));
    const { text, tags, likes } = store.get('Note', 'a') as unknown as typeof note;
    expect({ text, likes, tags: [...tags].sort() }).toEqual({ text: 'one', likes: 2, tags: ['0', 'x', 'y', 'z'] });
  });

  it('is kept when its object no longer exists, with an error that says so', async () => {
    const store = openNoteStore();
    await create(store);
    await write(store, (tx) => {
      tx.update('Note', 'a', { text: 'two' });
    });
    await reject(store, 1, 'a');
    await reject(store, 2, 'a');
    expect(() => store.retry(2)).toThrow(SchemaError);
    expect((await readRejected(store)).map(({ id }) => id)).toEqual([1, 2]);
    await firstValueFrom(store.retry(1));
    await firstValueFrom(store.retry(2));
    expect(store.get('Note', 'a')).toEqual({ ...note, text: 'two' });
  });

  it('is kept when its list element no longer exists, with an error that says so', async () => {
    const store = openNoteStore();
    await create(store);
    await write(store, (tx) => {
      tx.list('Note', 'a', 'tags').set(1, 'mine');
    });
    await write(store, (tx) => {
      tx.list('Note', 'a', 'tags').move(0, 1);
    });
    for (const version of [1, 2, 3]) await reject(store, version, 'a');
    // The note exists again, but with other elements.
    await firstValueFrom(store.retry(1));
    for (const id of [2, 3]) {
      expect(() => store.retry(id)).toThrow(SchemaError);
      expect(() => store.retry(id)).toThrow('Note "a" no longer has this element in "tags".');
    }
    expect((await readRejected(store)).map(({ id }) => id)).toEqual([2, 3]);
    expect(store.get('Note', 'a')).toEqual(note);
  });

  it('that deletes an object can be retried, also if another device has deleted it', async () => {
    const store = openNoteStore();
    await create(store);
    await write(store, (tx) => {
      tx.delete('Note', 'a');
    });
    await reject(store, 1, 'a');
    await reject(store, 2, 'a');
    await firstValueFrom(store.retry(1));
    await firstValueFrom(store.retry(2));
    expect(store.get('Note', 'a')).toBeUndefined();
    expect(await readRejected(store)).toEqual([]);
  });

  it('is kept, and not written, when it no longer fits the schema', async () => {
    const storage = memoryStorage();
    const store = openNoteStore(storage);
    await create(store);
    await reject(store, 1, 'a');
    const newer = { Note: { primaryKey: 'id', properties: { id: 'string', text: 'int' } } } as const;
    const again = openStoreWith(newer, storage);
    expect(() => again.retry(1)).toThrow(SchemaError);
    expect(() => again.retry(1)).toThrow('Note["a"].text must be a whole number from');
    expect(again.get('Note', 'a')).toBeUndefined();
    expect(await readRejected(again)).toHaveLength(1);
  });

  it('can be replaced by another write in the same batch', async () => {
    const store = openNoteStore();
    await create(store);
    await reject(store, 1, 'a');
    const edited = store.retry(1, (tx) => {
      tx.create('Note', { id: 'b', text: 'edited' });
      return 'done';
    });
    expect(await firstValueFrom(edited)).toEqual({ result: 'done', version: 2 });
    expect(store.get('Note', 'b')).toMatchObject({ text: 'edited' });
    expect(await readRejected(store)).toEqual([]);
  });

  it('can be discarded, which writes nothing', async () => {
    const storage = memoryStorage();
    const store = openNoteStore(storage);
    await create(store);
    await create(store, 'b');
    await reject(store, 1, 'a');
    await reject(store, 2, 'b');
    await waitUntilDone(store.discard(1));
    expect((await readRejected(store)).map(({ id }) => id)).toEqual([2]);
    expect((await readRejected(openNoteStore(storage))).map(({ id }) => id)).toEqual([2]);
    expect((await firstValueFrom(store.outbox$)).written).toBe(2);
  });

  it('can be retried or discarded once, and stays when the storage fails', async () => {
    const { storage, state } = createFailingStorage();
    const store = openNoteStore(storage);
    await create(store);
    await reject(store, 1, 'a');
    state.full = true;
    await expect(firstValueFrom(store.retry(1))).rejects.toBeInstanceOf(StorageError);
    expect((await readRejected(store)).map(({ id }) => id)).toEqual([1]);
    expect(store.get('Note', 'a')).toBeUndefined();
    state.full = false;
    await firstValueFrom(store.retry(1));
    expect(() => store.retry(1)).toThrow(InvalidArgumentError);
    expect(() => store.discard(7)).toThrow('id must be the id of a rejected write, received 7');
  });

  it.each(['retry', 'discard'] as const)('is kept when %s is called inside a write', async (method) => {
    const store = openNoteStore();
    await create(store);
    await reject(store, 1, 'a');
    await write(store, () => {
      const message = `realm.${method} was called inside a write. Call it afterwards.`;
      expect(() => store[method](1)).toThrow(new InvalidStateError(message));
    });
    expect(await readRejected(store)).toHaveLength(1);
    await firstValueFrom(store[method](1));
    expect(await readRejected(store)).toEqual([]);
  });

  it('is emitted to subscribers when it is added and removed', async () => {
    const store = openNoteStore();
    const emitted: number[][] = [];
    store.rejectedWrites$.subscribe((all) => emitted.push(all.map(({ id }) => id)));
    await create(store);
    await reject(store, 1, 'a');
    await waitUntilDone(store.discard(1));
    expect(emitted).toEqual([[], [1], []]);
  });

  it('stays, however old, up to the limit on their number', async () => {
    const storage = memoryStorage();
    const store = openNoteStore(storage);
    for (let version = 1; version <= 1_002; version += 1) {
      await create(store);
      await reject(store, version, 'a');
      if (version > 1) await waitUntilDone(store.discard(version));
    }
    expect((await readRejected(store)).map(({ id }) => id)).toEqual([1]);
    expect((await readRejected(openNoteStore(storage))).map(({ id }) => id)).toEqual([1]);
  });
});
