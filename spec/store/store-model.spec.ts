import fc from 'fast-check';
import { asapScheduler, lastValueFrom, map } from 'rxjs';
import { endOfTurn$ } from '../../lib/clock.js';
import { applyOperation, isAlive, type ObjectState } from '../../lib/merge/object-state.js';
import { decodeOperations, encodeOperations } from '../../lib/merge/operation-codec.js';
import type { Operation } from '../../lib/merge/operation.js';
import { operationStampOf } from '../../lib/merge/timestamp.js';
import { encodeState } from '../../lib/merge/state-codec.js';
import { isLeft } from '../../lib/model/result.js';
import type { Instant } from '../../lib/model/changeset.js';
import type { Key } from '../../lib/model/value.js';
import type { TypeChanges } from '../../lib/store/objects/object-change.js';
import { openStore } from '../../lib/store/open-store.js';
import type { Store } from '../../lib/store/store.js';
import type { Transaction } from '../../lib/store/transaction/transaction-api.js';
import type { Schema } from '../../lib/model/schema.js';
import { runOptions } from '../merge/arbitrary-operations.js';
import { createHeldStorage, milk, openTestStore, shapes } from './test-kit.js';

const keys = ['a', 'b', 'c', 'd'] as const;
const key = fc.constantFrom(...keys);
const votes = fc.integer({ min: 0, max: 2 });
const remoteOperation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ kind: fc.constant('create' as const), type: fc.constant('Task'), key, values: fc.record({ votes }) }),
  fc.record({ kind: fc.constant('update' as const), type: fc.constant('Task'), key, values: fc.record({ votes }) }),
  fc.record({ kind: fc.constant('delete' as const), type: fc.constant('Task'), key }),
);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      on: fc.array(fc.tuple(key, votes), { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('integrate' as const),
      operations: fc.array(remoteOperation, { minLength: 1, maxLength: 3 }),
      time: fc.integer({ min: 0, max: 60 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('acknowledge' as const),
      part: fc.double({ min: 0, max: 1.2, noNaN: true }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('replace' as const),
      operations: fc.array(remoteOperation, { minLength: 1, maxLength: 3 }),
      time: fc.integer({ min: 0, max: 60 }),
      /** The version of this replica up to which the server has everything. */
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('finish' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const) }) },
);

/** Deletes an object with too many votes, creates a missing one, and updates an existing one. */
const act = (tx: Transaction<Schema>, id: string, given: number): void => {
  const task = tx.get('Task', id);
  if (!task) tx.create('Task', { ...milk, id, votes: given });
  else if (given === 2) tx.delete('Task', id);
  else tx.update('Task', id, { votes: given });
};

const present = <T>(read: (take: (value: T) => void) => unknown): T => {
  const taken: { value?: T } = {};
  read((value) => (taken.value = value));
  if (!('value' in taken)) throw new Error('nothing came at once');
  return taken.value; // It may be undefined.
};

/** Everything that a store shows to readers. */
const shownBy = (store: Store) => ({
  objects: present<readonly Record<string, unknown>[]>((take) =>
    store.objects$('Task', { sort: { id: 1 } }).subscribe(take),
  ),
  outbox: present((take) => store.outbox$.subscribe(take)),
  greeting: present((take) =>
    // The runs depend on the process.
    store.greeting$.pipe(map((greeting) => ({ ...greeting, runs: null }))).subscribe(take),
  ),
});

/** The objects that result from these changesets by the rules of merging alone. */
const statesFrom = (changesets: readonly Sent[]): ReadonlyMap<Key, ObjectState> => {
  const states = new Map<Key, ObjectState>();
  for (const { origin, body, time, count } of changesets) {
    const operations = decodeOperations(body);
    if (isLeft(operations)) throw new Error(operations.left);
    operations.right.forEach((operation, index) => {
      states.set(
        operation.key,
        applyOperation(states.get(operation.key), operation, operationStampOf({ time, count }, origin, index)),
      );
    });
  }
  return states;
};

/** The objects of every replica that has received the same changesets. */
const mergedFrom = (changesets: readonly Sent[]): unknown => {
  const living = [...statesFrom(changesets)].filter(([, state]) => isAlive(state)).sort(([a], [b]) => (a < b ? -1 : 1));
  return living.map(([id, { values }]) => ({ id, votes: values['votes'] ?? null }));
};

const queries = [
  {},
  { limit: 2 },
  { where: { votes: 1 } },
  { where: { votes: 1 }, limit: 1 },
  { where: { votes: null } },
  { sort: { votes: -1 }, limit: 3 },
  { where: ({ votes: given }: { votes: number | null }) => given !== 1, sort: { votes: 1, id: -1 } },
] as const;

const answerTo = (store: Store, query: object): unknown =>
  present((take) => store.objects$('Task', query).subscribe(take));

type Sent = Instant & { readonly version: number; readonly origin: string; readonly body: Uint8Array };

/** A store on a storage that the spec can hold, and a model of its state. */
const watched = () => {
  const disk = createHeldStorage();
  let now = 0;
  const clock = { now: () => now, random: Math.random, scheduler: asapScheduler };
  const store = present<Store>((take) => openStore({ storage: disk.storage, shapes, clock }).subscribe(take));
  const { replica } = present<{ replica: string }>((take) => store.greeting$.subscribe(take));
  disk.hold();

  const own: Sent[] = [];
  store.uploads(0, store.outbox$.pipe(map(({ written }) => written))).subscribe((page) => {
    for (const changeset of page) own.push({ ...changeset, origin: replica });
  });
  const answers = queries.map((query) => {
    const live: { latest: readonly unknown[] | undefined; repeated: number } = { latest: undefined, repeated: 0 };
    store.objects$('Task', query).subscribe((all) => {
      if (all.length === live.latest?.length && all.every((task, at) => task === live.latest?.[at])) live.repeated += 1;
      live.latest = all;
    });
    return live;
  });
  let reported: TypeChanges[] = [];
  store.changes$('Task').subscribe((changes) => reported.push(changes));

  let before = new Map<Key, unknown>();
  /** Readers see exactly the durable state, and followers of the changes have all of it. */
  const check = (): void => {
    expect(shownBy(store)).toEqual(shownBy(openTestStore(disk.inner)));
    for (const { changes, durable } of disk.begun) {
      if (changes.some(({ type, key: at }) => type === 'put' && at.startsWith('u/e'))) expect(durable).toBe(true);
    }
    const after = new Map<Key, unknown>(keys.map((id) => [id, store.get('Task', id)]));
    const expected = {
      inserted: new Set<Key>(),
      modified: new Set<Key>(),
      deleted: new Set<Key>(),
      left: new Set<Key>(),
    };
    for (const id of keys) {
      const [was, is] = [before.get(id), after.get(id)];
      if (was !== is) expected[was === undefined ? 'inserted' : is === undefined ? 'deleted' : 'modified'].add(id);
    }
    const any = keys.some((id) => before.get(id) !== after.get(id));
    expect(reported).toEqual(any ? [expected] : []);
    before = after;
    reported = [];
    // A live query has the result that a new query returns.
    expect(answers.map(({ repeated }) => repeated)).toEqual(queries.map(() => 0));
    expect(answers.map(({ latest }) => latest)).toEqual(queries.map((query) => answerTo(store, query)));
  };
  return { disk, store, mine: own, check, tick: () => (now += 1) };
};

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** The server's changesets of other replicas, and those of this replica that it is known to have. */
interface RemoteServer {
  remote: Sent[];
  acknowledged: number;
}

/** Performs one step. Changesets that could not be stored do not count as sent. */
const take = ({ disk, store, mine: own }: ReturnType<typeof watched>, server: RemoteServer, each: Step): void => {
  const quiet = { error: () => undefined };
  const sent = (operations: readonly Operation[], time: number): Sent => {
    const version = (server.remote.at(-1)?.version ?? 0) + 1;
    const changeset = { version, origin: `other-${version}`, time, count: 0, body: encodeOperations(operations) };
    server.remote.push(changeset);
    return changeset;
  };
  const lost = {
    error: () => (server.remote = server.remote.filter(({ version }) => version <= store.downloadProgress().version)),
  };
  const rest = { bytes: 0, remainingBytes: 0 };
  switch (each.do) {
    case 'write':
      store.write((tx) => each.on.forEach(([id, given]) => act(tx, id, given))).subscribe(quiet);
      return;
    case 'integrate': {
      const changeset = sent(each.operations, each.time);
      store.integrate({ changesets: [changeset], upTo: changeset.version, ...rest }).subscribe(lost);
      return;
    }
    case 'replace': {
      const { version } = sent(each.operations, each.time);
      const known = own.slice(0, Math.max(server.acknowledged, Math.floor(own.length * each.part)));
      const states = [...statesFrom([...server.remote, ...known])];
      const objects = states.map(([id, state]) => ({ type: 'Task', key: id, state: encodeState(state) }));
      store.replace({ version, objects, ...rest }).subscribe(lost);
      return;
    }
    case 'acknowledge': {
      const version = Math.min(own.length, Math.floor(own.length * each.part));
      server.acknowledged = Math.max(server.acknowledged, version);
      store.acknowledge(version).subscribe(quiet);
      return;
    }
    case 'finish':
      disk.finish();
      return;
    case 'fail':
      disk.fail();
  }
};

describe('a store under random events', () => {
  it('shows exactly the stored objects, emits each change once, and agrees with every replica', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const world = watched();
        const server: RemoteServer = { remote: [], acknowledged: 0 };
        for (const each of steps) {
          world.tick();
          take(world, server, each);
          await lastValueFrom(endOfTurn$);
          world.check();
        }
        while (world.disk.finish() > 0) {
          await lastValueFrom(endOfTurn$);
          world.check();
        }

        const found = shownBy(world.store).objects.map(({ id, votes: given }) => ({ id, votes: given }));
        expect(found).toEqual(mergedFrom([...server.remote, ...world.mine]));
        const stamps = world.mine.flatMap(({ time, count, body }) => {
          const operations = decodeOperations(body);
          return isLeft(operations) ? [] : operations.right.map((_, index) => time * 1e6 + count + index);
        });
        // They increase from operation to operation.
        expect(stamps).toEqual([...new Set(stamps)].sort((a, b) => a - b));
      }),
      runOptions(200),
    );
  });
});
