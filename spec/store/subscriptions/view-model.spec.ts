import fc from 'fast-check';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { endOfTurn$ } from '../../../lib/clock.js';
import type { Operation } from '../../../lib/merge/operation.js';
import type { Schema } from '../../../lib/model/schema.js';
import type { Transaction } from '../../../lib/store/transaction/transaction-api.js';
import { createStamp, runOptions } from '../../merge/arbitrary-operations.js';
import { createTask, greetingOf, statusOf, wantedOf } from './view-world.js';
import { createViewWorld, taskKeys, type ViewWorld } from './view-session.js';

const key = fc.constantFrom(...taskKeys);
const list = fc.constantFrom('x', 'x', 'y');
const act = fc.record({ key, list, kind: fc.constantFrom('move', 'move', 'vote', 'like', 'tag', 'delete') });
/** The first increment of a replica. */
const like = { kind: 'increment', property: 'likes', born: createStamp(0), after: null, by: 1 } as const;
const remote: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 2, arbitrary: fc.tuple(key, list).map(([id, at]) => createTask(id, at)) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(key, list)
      .map(([id, at]): Operation => ({ kind: 'update', type: 'Task', key: id, values: { list: at } })),
  },
  { weight: 1, arbitrary: key.map((id): Operation => ({ kind: 'delete', type: 'Task', key: id })) },
  {
    weight: 2,
    arbitrary: key.map((id): Operation => ({
      ...{ kind: 'insert', type: 'Task', key: id, property: 'tags' },
      ...{ run: ['a0', 'other'], keys: ['a0'], values: ['theirs'] },
    })),
  },
  { weight: 2, arbitrary: key.map((id): Operation => ({ ...like, type: 'Task', key: id })) },
  {
    weight: 2,
    arbitrary: key.map((id): Operation => ({ kind: 'update', type: 'Task', key: id, values: { votes: 9 } })),
  },
);
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('write' as const), acts: fc.array(act, { minLength: 1, maxLength: 3 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('remote' as const),
      operations: fc.array(remote, { minLength: 1, maxLength: 3 }),
      time: fc.integer({ min: 990, max: 1_060 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('edit' as const),
      lists: fc.constantFrom(['x'], ['x'], ['y'], ['x', 'y'], []),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('subscribe' as const),
      isResync: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
      rejects: fc.integer({ min: 0, max: 6 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('upload' as const),
      isRejected: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
      isFiltered: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('page' as const) }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('deliver' as const) }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('finish' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('repeat' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('reset' as const),
      mode: fc.constantFrom('recover', 'discard', 'keepReplica', 'copied'),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const perform = (
  tx: Transaction<Schema>,
  { key: id, list: at, kind }: typeof act extends fc.Arbitrary<infer T> ? T : never,
): void => {
  if (!tx.get('Task', id)) tx.create('Task', { id, list: at });
  else if (kind === 'move') tx.update('Task', id, { list: at });
  else if (kind === 'vote') tx.update('Task', id, { votes: at.length });
  else if (kind === 'like') tx.increment('Task', id, 'likes', 1);
  else if (kind === 'tag') tx.list('Task', id, 'tags').push(at);
  else tx.delete('Task', id);
};

/** Returns the same operation, as a replica writes it that has the latest state. */
const toIncrementOf = ({ server }: ViewWorld, operation: Operation): Operation => {
  if (operation.kind !== 'increment') return operation;
  const { type, key: id } = operation;
  const born = server.stateAt(server.head()).get(id)?.born;
  return born ? { ...operation, born } : { kind: 'update', type, key: id, values: { votes: 1 } };
};

const take = async (world: ViewWorld, each: Step): Promise<unknown> => {
  switch (each.do) {
    case 'write':
      for (const { kind, key: id } of each.acts) if (kind === 'delete') world.noteDeleted(id);
      return world
        .store()
        .write((tx) => each.acts.forEach((one) => perform(tx, one)))
        .subscribe({ error: () => undefined });
    case 'remote':
      return world.server.add(
        each.operations.map((one) => toIncrementOf(world, one)),
        each.time,
        `other-${world.server.head()}`,
      );
    case 'edit':
      return world.edit(each.lists);
    case 'subscribe':
      return world.subscribe(each.isResync, each.rejects);
    case 'upload':
      return world.upload(each.isRejected, each.isFiltered);
    case 'reset':
      world.reset(each.mode);
      return;
    default:
      return world[each.do]();
  }
};

const settle = async (world: ViewWorld): Promise<void> => {
  await lastValueFrom(endOfTurn$);
  await world.check();
};

/** Delivers and stores everything that waits. */
const drain = async (world: ViewWorld): Promise<void> => {
  let isActive = true;
  while (isActive) {
    const [isDelivered, isStored] = [await world.deliver(), world.finish()];
    await settle(world);
    isActive = isDelivered || isStored;
  }
};

describe('a realm with subscriptions under random events', () => {
  it('has exactly the objects of its view when all is acknowledged, and loses nothing that is unsent', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 60 }), async (steps) => {
        const world = createViewWorld();
        world.server.isOperated = (at) => (at + world.server.head()) % 3 > 0;
        for (const each of steps) {
          world.tick();
          await take(world, each);
          await settle(world);
        }
        await drain(world);
        while (await world.upload(false)) await drain(world);
        await world.subscribe(false, 99);
        await drain(world);
        await world.page();
        await drain(world);

        const store = world.store();
        expect(await firstValueFrom(store.outbox$)).toMatchObject({ changesets: 0 });
        expect(await world.detached()).toEqual([]);
        expect(statusOf(store).placed?.version).toBe(statusOf(store).set.version);
        expect(await greetingOf(store)).toMatchObject({ downloadedTo: world.server.head() });
        const found = store.context.objects.listStored().filter(({ key: id }) => store.get('Task', id) !== undefined);
        expect(new Map(found.map(({ key: id, state }) => [id, state]))).toEqual(
          world.server.objectsOf(await wantedOf(store)),
        );
      }),
      runOptions(60),
    );
  });
});
