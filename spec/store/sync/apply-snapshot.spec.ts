import fc from 'fast-check';
import { firstValueFrom, of } from 'rxjs';
import { decodeOperations } from '../../../lib/merge/operation-codec.js';
import { applyOperation, isAlive, type ObjectState } from '../../../lib/merge/object-state.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { operationStampOf } from '../../../lib/merge/timestamp.js';
import { encodeState } from '../../../lib/merge/state-codec.js';
import type { ServerChangeset } from '../../../lib/model/changeset.js';
import { UnreadableChangeError } from '../../../lib/model/errors.js';
import { isLeft } from '../../../lib/model/result.js';
import type { Store } from '../../../lib/store/store.js';
import { seeded } from '../../protocol/arbitrary-messages.js';
import { createTask, waitUntilDone, createFailingStorage, milk, openTestStore } from '../test-kit.js';
import { createHistory, createTaskOperation, createVotesOperation } from '../remote-history.js';

const operationsOf = (body: Uint8Array): readonly Operation[] => {
  const read = decodeOperations(body);
  return isLeft(read) ? [] : read.right;
};

const tasksIn = (store: Store) => firstValueFrom(store.objects$('Task', { sort: { id: 1 } }));
const greetingOf = (store: Store) => firstValueFrom(store.greeting$);
const page = (changesets: readonly ServerChangeset[], remaining: number) =>
  ({ changesets, upTo: changesets.at(-1)!.version, bytes: 600, remainingBytes: 0, remaining }) as const;

describe('a snapshot', () => {
  it('replaces all objects, with the unsent changes on top', async () => {
    const store = openTestStore();
    const server = createHistory();
    server.add('b', createTaskOperation('old'));
    server.add('b', createTaskOperation('tea'));
    await waitUntilDone(store.integrate(page(server.changesets, 0)));
    await createTask(store);
    await firstValueFrom(store.write((tx) => tx.update('Task', 'tea', { votes: 7 })));
    server.states.delete('Task/old'); // Deleted so long ago that no tombstone is left.
    server.add('c', createTaskOperation('new'));
    server.add('c', { kind: 'update', type: 'Task', key: 'tea', values: { title: 'Green tea' } });
    await server.replaced(store);
    expect(await tasksIn(store)).toMatchObject([
      { id: 'milk', title: milk.title },
      { id: 'new' },
      { id: 'tea', title: 'Green tea', votes: 7 },
    ]);
    await waitUntilDone(store.adopt('h'));
    expect(store.downloadProgress()).toEqual({ version: 4, bytes: 500, ofBytes: 520 });
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ changesets: 2 });
  });

  it('survives a restart with its cursor, and requests the own changes of the replica until it has caught up', async () => {
    const { storage } = createFailingStorage();
    const store = openTestStore(storage);
    const server = createHistory();
    server.add('b', createTaskOperation('tea'));
    await server.replaced(store);
    for (const each of [store, openTestStore(storage)]) {
      expect(await greetingOf(each)).toMatchObject({ downloadedTo: 1, includeOwn: true });
      expect(await tasksIn(each)).toMatchObject([{ id: 'tea' }]);
    }
    const { replica } = await greetingOf(store);
    server.add(replica, createTaskOperation('mine'));
    server.add('b', createVotesOperation('mine', 3));
    await waitUntilDone(store.integrate(page(server.changesets.slice(1, 2), 1)));
    expect(await greetingOf(store)).toMatchObject({ includeOwn: true });
    await waitUntilDone(store.integrate(page(server.changesets.slice(2), 0)));
    expect(await greetingOf(openTestStore(storage))).toMatchObject({ downloadedTo: 3, includeOwn: false });
    expect(await tasksIn(openTestStore(storage))).toMatchObject([{ id: 'mine', votes: 3 }, { id: 'tea' }]);
  });

  it('causes one emission of the changed objects, and keeps the instances of the others', async () => {
    const store = openTestStore();
    const server = createHistory();
    for (const key of ['a', 'b', 'c']) server.add('b', createTaskOperation(key));
    await waitUntilDone(store.integrate(page(server.changesets, 0)));
    const before = await tasksIn(store);
    const emissions: unknown[] = [];
    const changes = firstValueFrom(store.changes$('Task'));
    store.objects$('Task').subscribe((all) => emissions.push(all));
    server.add('c', createVotesOperation('b', 1));
    await server.replaced(store);
    expect(await changes).toEqual({
      inserted: new Set(),
      modified: new Set(['b']),
      deleted: new Set(),
      left: new Set(),
    });
    const after = await tasksIn(store);
    expect([after[0] === before[0], after[1] === before[1], after[2] === before[2]]).toEqual([true, false, true]);
    await Promise.resolve();
    expect(emissions).toHaveLength(2);
  });

  it('that is not newer than the realm changes nothing', async () => {
    const store = openTestStore();
    const server = createHistory();
    server.add('b', createTaskOperation('tea'));
    await waitUntilDone(store.integrate(page(server.changesets, 0)));
    const none = { version: 1, objects: [], bytes: 0, remainingBytes: 0 };
    await waitUntilDone(store.replace(none));
    expect(await tasksIn(store)).toHaveLength(1);
  });

  it('E10 that cannot be decoded is rejected as a whole', async () => {
    const store = openTestStore();
    await createTask(store);
    const server = createHistory();
    server.add('b', createTaskOperation('tea'));
    const [tea] = server.objects();
    const wrong = { ...tea!, key: 'corrupt', state: Uint8Array.of(1) };
    const snapshot = { version: 9, objects: [tea!, wrong], bytes: 1, remainingBytes: 0 };
    await expect(waitUntilDone(store.replace(snapshot))).rejects.toThrow(UnreadableChangeError);
    expect(await tasksIn(store)).toMatchObject([{ id: 'milk' }]);
    expect(await greetingOf(store)).toMatchObject({ downloadedTo: 0, includeOwn: false });
  });

  it('field report B-1: sets aside objects that do not fit the schema, and shows the others', async () => {
    const store = openTestStore();
    const server = createHistory();
    server.add('b', createTaskOperation('tea'));
    server.add('b', createTaskOperation('milk', { votes: 'many' }));
    expect(await server.replaced(store)).toMatchObject({ version: 2, errors: [{ object: { key: 'milk' } }] });
    expect(await tasksIn(store)).toMatchObject([{ id: 'tea' }]);
    expect(await firstValueFrom(store.setAside$)).toMatchObject([{ key: 'milk', property: 'votes', stored: '"many"' }]);
  });

  it('that cannot be stored changes nothing, and can be applied again', async () => {
    const { storage, state } = createFailingStorage();
    const store = openTestStore(storage);
    await createTask(store);
    const server = createHistory();
    server.add('b', createTaskOperation('tea'));
    state.full = true;
    await expect(server.replaced(store)).rejects.toThrow('disk full');
    expect(await tasksIn(store)).toMatchObject([{ id: 'milk' }]);
    state.full = false;
    await server.replaced(store);
    expect(await tasksIn(openTestStore(storage))).toMatchObject([{ id: 'milk' }, { id: 'tea' }]);
  });

  it('contains unsent changesets that the server decided before its retention cutoff', async () => {
    const store = openTestStore();
    const server = createHistory();
    await createTask(store);
    const now = Date.now() + 1_000;
    await waitUntilDone(store.correct({ serverTime: now, offset: 0, margin: 2_000, decided: 1, retentionCutoff: now }));
    await createTask(store, { ...milk, id: 'later' });
    server.add('b', createTaskOperation('tea')); // Also: the milk was deleted so long ago that no tombstone is left.
    await server.replaced(store);
    expect((await tasksIn(store)).map(({ id }) => id)).toEqual(['later', 'tea']);
    expect(await firstValueFrom(store.outbox$)).toMatchObject({ changesets: 2 });
  });

  it('keeps types and properties that this version of the app lacks', async () => {
    const { storage } = createFailingStorage();
    const store = openTestStore(storage);
    const server = createHistory();
    server.add('b', { kind: 'create', type: 'Unknown', key: 'x', values: { some: 1 } });
    server.add('b', createTaskOperation('tea', { colour: 'green' }));
    const objects = [...server.states].map(([name, state]) => ({
      type: name.split('/')[0]!,
      key: name.split('/')[1]!,
      state: encodeState(state),
    }));
    await waitUntilDone(store.replace({ version: 2, objects, bytes: 1, remainingBytes: 0 }));
    const { value } = await firstValueFrom(
      storage.range({ from: 'o/Unknown', to: 'o/Unknown~', limit: 1, bytesMax: 1_000 }),
    ).then(([entry]) => ({ value: entry?.[1] }));
    expect(value).toEqual(objects[0]!.state);
  });

  it('gives the same objects as all changesets, whatever was written before and meanwhile', async () => {
    const keys = ['a', 'b', 'c'] as const;
    const act = fc.record({
      by: fc.constantFrom('b', 'c', 'me'),
      kind: fc.constantFrom('create', 'update', 'delete'),
      key: fc.constantFrom(...keys),
      votes: fc.nat(9),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 20 }), fc.nat(20), async (acts, at) => {
        const store = openTestStore();
        const server = createHistory();
        const local = async ({ kind, key, votes: count }: (typeof acts)[number]): Promise<void> => {
          await firstValueFrom(
            store.write((tx) => {
              const there = tx.get('Task', key) !== undefined;
              if (kind === 'create' && !there) tx.create('Task', { id: key, title: key, done: false, votes: count });
              if (kind === 'update' && there) tx.update('Task', key, { votes: count });
              if (kind === 'delete' && there) tx.delete('Task', key);
            }),
          );
        };
        const remote = ({ by, kind, key, votes: count }: (typeof acts)[number], time: number): void => {
          if (kind === 'delete') server.add(by, { kind, type: 'Task', key }, time);
          else
            server.add(
              by,
              kind === 'create' ? createTaskOperation(key, { votes: count }) : createVotesOperation(key, count),
              time,
            );
        };
        const now = Date.now();
        for (const [index, one] of acts.entries()) {
          if (one.by === 'me') await local(one);
          else remote(one, now - 10_000 + index * 1_000);
          if (index === at && server.changesets.length > 0) await server.replaced(store);
        }
        server.add('b', createTaskOperation('last'), now);
        await server.replaced(store);
        // An independent way: applies all operations, the latest first.
        const { replica } = await greetingOf(store);
        const { changesets } = await firstValueFrom(store.outbox$);
        const waiting = changesets > 0 ? await firstValueFrom(store.uploads(0, of(0))) : [];
        const all = [...server.changesets, ...waiting.map((each) => ({ ...each, origin: replica }))].reverse();
        const states = new Map<unknown, ObjectState>();
        for (const { body, origin, ...instant } of all) {
          const [operation, ...more] = operationsOf(body);
          if (!operation || more.length > 0) throw new Error('one operation each');
          const state = applyOperation(states.get(operation.key), operation, operationStampOf(instant, origin, 0));
          states.set(operation.key, state);
        }
        const shown = [...states]
          .filter(([, state]) => isAlive(state))
          .map(([key, { values }]) => [key, values['votes']]);
        const found = (await tasksIn(store)).map(({ id, votes: count }) => [id, count]);
        expect(found).toEqual(shown.sort(([one], [other]) => (String(one) < String(other) ? -1 : 1)));
      }),
      { numRuns: 300, ...seeded },
    );
  });
});
