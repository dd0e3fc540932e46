import fc from 'fast-check';
import { concatWith, firstValueFrom, lastValueFrom, of, take, toArray } from 'rxjs';
import { systemClock } from '../../../lib/clock.js';
import { applyOperation, isAlive, type ObjectState } from '../../../lib/merge/object-state.js';
import { decodeOperations } from '../../../lib/merge/operation-codec.js';
import { operationStampOf } from '../../../lib/merge/timestamp.js';
import { encodeState } from '../../../lib/merge/state-codec.js';
import { decodeValue } from '../../../lib/model/msgpack.js';
import { StorageError, UnreadableChangeError } from '../../../lib/model/errors.js';
import { isLeft } from '../../../lib/model/result.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';
import { createRejectedList } from '../../../lib/store/rejected/rejected-list.js';
import type { Store } from '../../../lib/store/store.js';
import {
  createTask,
  waitUntilDone,
  createFailingStorage,
  createHeldStorage,
  milk,
  openTestStore,
} from '../test-kit.js';

const born = { time: 1, count: 0, replica: 'server' };
const stateOf = (values: object): ObjectState => ({
  born,
  died: null,
  values: values as never,
  laterStamps: null,
  collections: null,
});
const full = { ...milk, due: null, votes: null };
const createServerState = (state: ObjectState | null, key = 'milk') => ({
  type: 'Task',
  key,
  state: state && encodeState(state),
});
const writes = [{ type: 'Task', key: 'milk', reason: 'not yours' }];
const createRejection = (version: number, ...stands: ReturnType<typeof createServerState>[]) => ({
  version,
  writes,
  code: 'not-permitted',
  serverStates: stands,
});
const update = (store: Store, patch: object, key = 'milk') =>
  firstValueFrom(store.write((tx) => tx.update('Task', key, patch as never)));
const outboxOf = (store: Store) => firstValueFrom(store.outbox$);
const keptIn = ({ range }: Storage) =>
  firstValueFrom(range({ from: 'r/', to: 'r0', limit: 5_000, bytesMax: Infinity }));

describe('a write that the server rejects', () => {
  it('E9 is rolled back exactly once: removed for readers, from the storage and from the outbox', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    await createTask(store);
    const { bytes } = await outboxOf(store);
    const emitted = lastValueFrom(store.objects$('Task').pipe(take(2), toArray()));
    const changes = firstValueFrom(store.changes$('Task'));
    await waitUntilDone(store.rollBack(createRejection(1, createServerState(null))));
    expect(await emitted).toEqual([[full], []]);
    expect([...(await changes).deleted]).toEqual(['milk']);
    expect(await outboxOf(store)).toEqual({
      written: 1,
      acknowledged: 1,
      acknowledgedBytes: bytes,
      changesets: 0,
      bytes: 0,
    });
    expect(await firstValueFrom(storage.range({ from: 'o/', to: 'o0', limit: 9, bytesMax: Infinity }))).toEqual([]);
    await createTask(store);
    await waitUntilDone(store.rollBack(createRejection(1, createServerState(null))));
    expect(store.get('Task', 'milk')).toEqual(full);
    expect(await keptIn(storage)).toHaveLength(1);
    expect(openTestStore(storage).get('Task', 'milk')).toEqual(full);
  });

  it('E9 is replaced by the server state with later writes on top, pending ones included', async () => {
    const { storage, hold, finish } = createHeldStorage();
    const store = openTestStore(storage);
    await createTask(store);
    await update(store, { title: 'refused' });
    await update(store, { votes: 3 });
    hold();
    const written = update(store, { done: true });
    const rejection = waitUntilDone(
      store.rollBack(createRejection(2, createServerState(stateOf({ ...full, title: 'stands' })))),
    );
    const last = update(store, { due: new Date(5) });
    while (finish() > 0) await Promise.resolve();
    await Promise.all([written, rejection, last]);
    const wanted = { id: 'milk', title: 'stands', votes: 3, done: true, due: new Date(5) };
    expect(store.get('Task', 'milk')).toEqual(wanted);
    expect(await outboxOf(store)).toMatchObject({ written: 5, acknowledged: 2, changesets: 3 });
  });

  it.each([
    ['is in the server state', 3, 1, []],
    ['is in the server state as far as it was decided', 2, 1, ['milk']],
    ['is replayed on top when it is newer than the cutoff', 3, 0, ['milk']],
  ])('does not affect unsent changes from before the retention cutoff: one %s', async (_, decided, later, expected) => {
    let now = 1_000_000;
    const store = openTestStore(memoryStorage(), { ...systemClock, now: () => now });
    await createTask(store);
    await firstValueFrom(store.write((tx) => tx.delete('Task', 'milk')));
    await createTask(store);
    now += 1_000;
    // The server has received all of it, and then a delete whose tombstone it has removed.
    const corrected = { serverTime: now, offset: 0, margin: 0, decided, retentionCutoff: 1_000_000 + later };
    await waitUntilDone(store.correct(corrected));
    await waitUntilDone(store.rollBack(createRejection(1, createServerState(null))));
    expect((await firstValueFrom(store.objects$('Task'))).map(({ id }) => id)).toEqual(expected);
  });

  it('E9 is kept with its reasons under a storage key of its own', async () => {
    const storage = memoryStorage();
    const store = openTestStore(storage);
    await createTask(store);
    const [first] = await firstValueFrom(store.uploads(0, of(0)));
    await waitUntilDone(store.rollBack(createRejection(1, createServerState(null))));
    const [entry] = await keptIn(storage);
    const read = decodeValue(entry?.[1] ?? new Uint8Array());
    const kept = (isLeft(read) ? [] : read.right) as unknown[];
    expect([kept[0], kept[3], kept[4]]).toEqual([1, first?.body, [['Task', 'milk', 'not yours']]]);
  });

  it('field report B-2: is kept with ten thousand others; above the limit the oldest are dropped', () => {
    const changeset = { version: 1, time: 1, count: 0, body: new Uint8Array() };
    const one = { changeset, replica: 'a', writes: [], code: 'not-permitted', operations: [] };
    const rejections = createRejectedList(Array.from({ length: 10_000 }, (_, at) => ({ ...one, id: at + 1 })));
    const { changes, stored } = rejections.keep([{ ...one, id: 10_001 }]);
    expect(changes.map(({ type }) => type)).toEqual(['put', 'del']);
    stored();
    let ids: readonly number[] = [];
    rejections.all$.subscribe((all) => (ids = all.map(({ id }) => id)));
    expect([ids.length, ids[0], ids.at(-1)]).toEqual([10_000, 2, 10_001]);
  });

  it('is not rolled back when the server state cannot be decoded', async () => {
    const store = openTestStore();
    await createTask(store);
    const unreadable = { type: 'Task', key: 'milk', state: new Uint8Array([1]) };
    await expect(
      waitUntilDone(store.rollBack({ version: 1, writes, code: 'not-permitted', serverStates: [unreadable] })),
    ).rejects.toThrow(UnreadableChangeError);
    expect(store.get('Task', 'milk')).toEqual(full);
    expect(await outboxOf(store)).toMatchObject({ acknowledged: 0, changesets: 1 });
  });

  it('field report B-1: is replaced by a server state that is set aside when it does not fit the schema', async () => {
    const store = openTestStore();
    await createTask(store);
    const misfit = createServerState(stateOf({ ...full, title: 7 }));
    await waitUntilDone(store.rollBack(createRejection(1, misfit)));
    expect(store.get('Task', 'milk')).toBeUndefined();
    expect(await outboxOf(store)).toMatchObject({ acknowledged: 1, changesets: 0 });
    expect(await firstValueFrom(store.setAside$)).toMatchObject([{ key: 'milk', property: 'title', stored: '7' }]);
  });

  it('is not rolled back when the storage fails, but at the next attempt', async () => {
    const { storage, state } = createFailingStorage();
    const store = openTestStore(storage);
    await createTask(store);
    state.full = true;
    await expect(waitUntilDone(store.rollBack(createRejection(1, createServerState(null))))).rejects.toThrow(
      StorageError,
    );
    expect(store.get('Task', 'milk')).toEqual(full);
    expect(await outboxOf(store)).toMatchObject({ acknowledged: 0, changesets: 1 });
    state.full = false;
    await waitUntilDone(store.rollBack(createRejection(1, createServerState(null))));
    expect(store.get('Task', 'milk')).toBeUndefined();
    expect(await keptIn(storage)).toHaveLength(1);
  });

  it('makes the next write later than the server state', async () => {
    const store = openTestStore();
    await createTask(store);
    const early = { ...stateOf(full), born: { time: systemClock.now() + 1e6, count: 3, replica: 'z' } };
    await waitUntilDone(store.rollBack(createRejection(1, createServerState(early))));
    await update(store, { title: 'mine' });
    expect(store.get('Task', 'milk')).toMatchObject({ title: 'mine' });
  });

  it('E9 gives the same objects as a model of plain maps, for any outbox', async () => {
    const keys = ['a', 'b', 'c'];
    const step = fc.record({
      key: fc.constantFrom(...keys),
      votes: fc.integer({ min: 0, max: 9 }),
      remove: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 }),
        fc.nat(7),
        fc.array(fc.constantFrom(null, 1, 2), { minLength: 3, maxLength: 3 }),
        async (transactions, at, stands) => {
          const storage = memoryStorage();
          const store = openTestStore(storage);
          for (const steps of transactions) {
            await firstValueFrom(
              store.write((tx) => {
                for (const { key, votes, remove } of steps) {
                  if (tx.get('Task', key) === undefined) tx.create('Task', { ...milk, id: key, votes });
                  else if (remove) tx.delete('Task', key);
                  else tx.update('Task', key, { votes });
                }
              }),
            );
          }
          const { written } = await outboxOf(store);
          if (written === 0) return;
          const version = (at % written) + 1;
          const { replica } = await firstValueFrom(store.greeting$);
          const changesets = await firstValueFrom(store.uploads(0, of(0)));
          const model = new Map<string, ObjectState | undefined>();
          keys.forEach((key, index) => {
            const votes = stands[index] ?? null;
            model.set(key, votes === null ? undefined : stateOf({ ...full, id: key, votes }));
          });
          const standings = keys.map((key) => createServerState(model.get(key) ?? null, key));
          for (const changeset of changesets.slice(version)) {
            const read = decodeOperations(changeset.body);
            if (isLeft(read)) throw new Error(read.left);
            read.right.forEach((operation, index) => {
              const key = String(operation.key);
              model.set(key, applyOperation(model.get(key), operation, operationStampOf(changeset, replica, index)));
            });
          }
          await lastValueFrom(store.rollBack(createRejection(version, ...standings)).pipe(concatWith(of(0))));
          const again = openTestStore(storage);
          for (const key of keys) {
            const state = model.get(key);
            const wanted = state && isAlive(state) ? state.values : undefined;
            expect(store.get('Task', key)).toEqual(wanted);
            expect(again.get('Task', key)).toEqual(wanted);
          }
          expect(await outboxOf(again)).toEqual(await outboxOf(store));
        },
      ),
      { numRuns: 60 },
    );
  });
});
