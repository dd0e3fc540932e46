import { firstValueFrom, of } from 'rxjs';
import { decodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import type { Transaction } from '../../../lib/store/transaction/transaction-api.js';
import type { Schema } from '../../../lib/model/schema.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Store } from '../../../lib/store/store.js';
import { waitUntilDone, openStoreWith } from '../test-kit.js';

const schema = {
  T: {
    primaryKey: 'id',
    properties: { id: 'int', list: 'string[]', tags: 'string<>', marks: 'int{}', votes: 'counter' },
  },
} as const satisfies Schema;

type Tx = Transaction<Schema>;
const write = (store: Store, change: (tx: Tx) => void) => firstValueFrom(store.write(change));
const list = (tx: Tx) => tx.list('T', 1, 'list');

/** One transaction each: every one refers to something that an earlier one created. */
const changes: readonly ((tx: Tx) => void)[] = [
  (tx) => tx.create('T', { id: 1, list: ['a', 'b', 'c', 'd'], votes: 5, tags: ['x'], marks: { k: 1 } }),
  (tx) => list(tx).insert(1, 'i', 'j'),
  (tx) => list(tx).move(0, 3),
  (tx) => list(tx).set(2, 'B'),
  (tx) => list(tx).remove(4),
  (tx) => tx.increment('T', 1, 'votes', 3),
  (tx) => tx.increment('T', 1, 'votes', 4),
  (tx) => {
    list(tx).push('e');
    list(tx).move(5, 0);
    list(tx).set(0, 'E');
    tx.increment('T', 1, 'votes', -1);
    tx.set('T', 1, 'tags').remove('x');
    tx.set('T', 1, 'tags').add('y', 'z');
    tx.dictionary('T', 1, 'marks').set('l', 2);
    tx.dictionary('T', 1, 'marks').remove('k');
  },
];

const used = async () => {
  const storage = memoryStorage();
  const store = openStoreWith(schema, storage);
  await waitUntilDone(store.adopt('h'));
  for (const change of changes) await write(store, change);
  return { store, storage };
};

const uploadsOf = (store: Store) => firstValueFrom(store.uploads(0, of(0)));
const replicaOf = async (store: Store) => (await firstValueFrom(store.greeting$)).replica;

/** Another device that receives everything that a store sends. */
const receivedBy = async (store: Store, known: readonly object[] = []): Promise<Store> => {
  const other = openStoreWith(schema);
  await waitUntilDone(other.adopt('h2'));
  const origin = await replicaOf(store);
  const own = (await uploadsOf(store)).map(({ time, count, body }) => ({ origin, time, count, body }));
  const changesets = [...known, ...own].map((each, index) => ({ ...each, version: index + 1 }));
  await waitUntilDone(
    other.integrate({ changesets: changesets as never, upTo: changesets.length, bytes: 1, remainingBytes: 0 }),
  );
  return other;
};

describe('unsent changes of collections', () => {
  it('E6 survive a client reset with a new replica: the same objects before and after, here, after a restart and on other replicas', async () => {
    const { store, storage } = await used();
    const before = store.get('T', 1);
    const marks = { l: 2 };
    expect(before).toEqual({ id: 1, list: ['E', 'i', 'j', 'B', 'a', 'd'], tags: ['y', 'z'], marks, votes: 11 });
    const replica = await replicaOf(store);
    await waitUntilDone(store.reset('recover'));
    expect(await replicaOf(store)).not.toBe(replica);
    for (const each of [store, openStoreWith(schema, storage), await receivedBy(store)]) {
      expect(each.get('T', 1)).toEqual(before);
    }
  });

  it('E6 refer to each other by their new stamps, and so do later changes', async () => {
    const { store, storage } = await used();
    const old = await replicaOf(store);
    await waitUntilDone(store.reset('recover'));
    const replica = await replicaOf(store);
    for (const { body } of await uploadsOf(store)) {
      const read = decodeOperations(body) as { readonly right: readonly Operation[] };
      for (const operation of read.right) {
        const named =
          operation.kind === 'remove'
            ? operation.elements
            : operation.kind === 'move' || operation.kind === 'replace'
              ? [operation.element]
              : operation.kind === 'increment'
                ? [operation.born]
                : [];
        for (const each of named) expect(each.replica).toBe(replica);
      }
    }
    expect(replica).not.toBe(old);
    const next = (tx: Tx) => {
      list(tx).move(0, 1);
      list(tx).remove(2);
      list(tx).push('f');
      tx.increment('T', 1, 'votes', 100);
    };
    await write(store, next);
    const after = store.get('T', 1);
    expect(after).toMatchObject({ votes: 111 });
    for (const each of [openStoreWith(schema, storage), await receivedBy(store)])
      expect(each.get('T', 1)).toEqual(after);
    await waitUntilDone(store.reset('recover'));
    for (const each of [store, await receivedBy(store)]) expect(each.get('T', 1)).toEqual(after);
  });

  it('E6 refer to acknowledged changes by the stamps of the old replica', async () => {
    const storage = memoryStorage();
    const store = openStoreWith(schema, storage);
    await waitUntilDone(store.adopt('h'));
    const origin = await replicaOf(store);
    for (const change of changes.slice(0, 6)) await write(store, change);
    const sent = (await uploadsOf(store)).map(({ time, count, body }) => ({ origin, time, count, body }));
    await waitUntilDone(store.acknowledge(6));
    for (const change of changes.slice(6)) await write(store, change);
    const before = store.get('T', 1);
    await waitUntilDone(store.reset('recover'));
    expect(store.get('T', 1)).toBeUndefined();
    expect((await receivedBy(store, sent)).get('T', 1)).toEqual(before);
    await waitUntilDone(store.adopt('h2'));
    const changesets = sent.map((each, index) => ({ ...each, version: index + 1 }));
    await waitUntilDone(store.integrate({ changesets, upTo: 6, bytes: 1, remainingBytes: 0 }));
    expect(store.get('T', 1)).toEqual(before);
    await write(store, (tx) => tx.increment('T', 1, 'votes', 1));
    expect((await receivedBy(store, sent)).get('T', 1)).toEqual(store.get('T', 1));
  });
});
