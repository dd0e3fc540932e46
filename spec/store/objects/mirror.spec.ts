import fc from 'fast-check';
import { lastValueFrom } from 'rxjs';
import { endOfTurn$ } from '../../../lib/clock.js';
import type { ObjectState } from '../../../lib/merge/object-state.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { encodeState } from '../../../lib/merge/state-codec.js';
import { StorageError } from '../../../lib/model/errors.js';
import type { Schema } from '../../../lib/model/schema.js';
import type { StorageChange } from '../../../lib/storage/storage.js';
import { encodeBlock } from '../../../lib/store/objects/object-block.js';
import type { Transaction } from '../../../lib/store/transaction/transaction-api.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import { createWorld, layoutOf } from './mirror-world.js';

const key = fc.constantFrom(...'abcdefghijklmnop'.split(''));
const n = fc.integer({ min: 0, max: 2 });
const misfitOr = (value: fc.Arbitrary<number>) =>
  fc.oneof({ weight: 8, arbitrary: value }, { weight: 1, arbitrary: fc.constant('text') });
const keys = fc.uniqueArray(key, { minLength: 4, maxLength: 12 });
const createOf = (type: string, id: string, given: unknown): Operation => ({
  ...{ kind: 'create', type, key: id, values: { id, n: given as number } },
});
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.tuple(fc.constantFrom('T', 'T', 'T', 'X'), key, misfitOr(n)).map((each) => createOf(...each)),
  fc.tuple(key, misfitOr(n)).map(([id, given]): Operation => {
    return { kind: 'update', type: 'T', key: id, values: { n: given } };
  }),
  key.map((id): Operation => ({ kind: 'delete', type: 'T', key: id })),
);
const state = fc.record({ key, what: fc.constantFrom('alive', 'alive', 'dead', 'misfit'), n, time: fc.nat(2_000) });
const edit = fc.record({ key, what: fc.constantFrom('put', 'update', 'delete', 'delete', 'tag', 'like'), n });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), edits: fc.array(edit, { minLength: 1 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('createMany' as const), keys, n }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('integrate' as const), all: fc.array(operation) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('downloadMany' as const),
      type: fc.constantFrom('T', 'T', 'T', 'X'),
      keys,
      n,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replace' as const), states: fc.array(state) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replaceMany' as const), keys, n }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('reset' as const),
      mode: fc.constantFrom('recover' as const, 'discard' as const, 'keepReplica' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('acknowledge' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('rollBack' as const),
      states: fc.array(state, { maxLength: 3 }),
      gone: fc.array(key),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('forget' as const) }) },
  { weight: 9, arbitrary: fc.record({ do: fc.constant('finish' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('finishAll' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('mirrorAll' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('promote' as const), isBehind: fc.boolean() }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type World = ReturnType<typeof createWorld>;

const encode = (one: typeof state extends fc.Arbitrary<infer T> ? T : never): Uint8Array => {
  const at = { time: one.time, count: 0, replica: 'server' };
  const values = { id: one.key, n: one.what === 'misfit' ? 'text' : one.n };
  const given: ObjectState =
    one.what === 'dead'
      ? { born: null, died: at, values: {}, laterStamps: null, collections: null }
      : { born: at, died: null, values, laterStamps: null, collections: null };
  return encodeState(given);
};
const unique = (states: readonly (typeof state extends fc.Arbitrary<infer T> ? T : never)[]) =>
  [...new Map(states.map((one) => [one.key, one])).values()].map((one) => ({
    ...{ type: 'T', key: one.key, state: encode(one) },
  }));

const act = (tx: Transaction<Schema>, one: typeof edit extends fc.Arbitrary<infer T> ? T : never): void => {
  const has = tx.get('T', one.key) !== undefined;
  if (one.what === 'delete') {
    if (has) tx.delete('T', one.key);
  } else if (!has || one.what === 'put') tx.put('T', { id: one.key, n: one.n, tags: [] });
  else if (one.what === 'update') tx.update('T', one.key, { n: one.n });
  else if (one.what === 'tag') tx.list('T', one.key, 'tags' as never).push(`${one.n}` as never);
  else tx.increment('T', one.key, 'likes', one.n);
};

const perform = (world: World, each: Step): void => {
  switch (each.do) {
    case 'write':
      for (const one of each.edits) world.write((tx) => act(tx, one));
      return;
    case 'createMany':
      world.write((tx) => each.keys.forEach((id) => act(tx, { key: id, what: 'update', n: each.n })));
      return;
    case 'integrate':
      world.integrate(each.all);
      return;
    case 'downloadMany':
      world.integrate(each.keys.map((id) => createOf(each.type, id, each.n)));
      return;
    case 'replace':
      world.replace(unique(each.states));
      return;
    case 'replaceMany':
      world.replace(unique(each.keys.map((id) => ({ key: id, what: 'alive', n: each.n, time: 1 }))));
      return;
    case 'reset':
      world.reset(each.mode);
      return;
    case 'rollBack': {
      const gone = each.gone.map((id) => [id, { type: 'T', key: id, state: null }] as const);
      const states = unique(each.states).map((one) => [one.key, one] as const);
      world.rollBack([
        ...new Map<string, { type: string; key: string; state: Uint8Array | null }>([...gone, ...states]).values(),
      ]);
      return;
    }
    case 'finishAll':
      while (world.finish());
      return;
    case 'promote':
      world.promote(each.isBehind);
      return;
    default:
      world[each.do]();
  }
};

const earlier = fc.oneof(
  fc.constant([]),
  fc.array(fc.tuple(key, fc.constantFrom('text', null)), { minLength: 4, maxLength: 12 }),
);

describe('mirrored objects', () => {
  it('equal those of a store that opens the storage after each batch, and readers get each difference once', async () => {
    const total: Partial<World['seen']> = {};
    await fc.assert(
      fc.asyncProperty(earlier, fc.array(step, { minLength: 1, maxLength: 40, size: 'max' }), async (given, steps) => {
        const world = createWorld(given);
        for (const each of steps) {
          perform(world, each);
          await lastValueFrom(endOfTurn$);
        }
        while (world.finish()) await lastValueFrom(endOfTurn$);
        world.promote(false);
        for (const [name, count] of Object.entries(world.seen))
          total[name as keyof World['seen']] = (total[name as keyof World['seen']] ?? 0) + count;
      }),
      runOptions(150),
    );
    if (process.env['SEED']) return;
    expect(total.rows).toBeGreaterThan(1_000);
    expect(total.kept).toBeGreaterThan(1_000);
    expect(total.setAside).toBeGreaterThan(200);
    expect(total.moved).toBeGreaterThan(30);
    expect(total.replaced).toBeGreaterThan(15);
    expect(total.marks).toBeGreaterThan(8);
    expect(total.failed).toBeGreaterThan(12);
    expect(total.trusted).toBeGreaterThan(80);
    expect(total.reloaded).toBeGreaterThan(8);
  });

  const creates = 'abcdefgh'.split('').map((id) => createOf('T', id, 1));
  const updates = 'abcde'.split('').map((id): Operation => ({ kind: 'update', type: 'T', key: id, values: { n: 2 } }));

  it('keep the views of objects whose rows were moved, and of those that stay the same', () => {
    const world = createWorld([]);
    world.integrate(creates);
    world.finish();
    const { objects } = world.follower();
    const before = objects.views('T');
    world.integrate(updates);
    while (world.finish());
    expect(world.seen.moved).toBe(1);
    for (const id of 'fgh') expect(objects.view('T', id)).toBe(before.find((view) => view['id'] === id));
    world.write((tx) => tx.update('T', 'f', { n: 1 })); // The same value.
    world.finish();
    expect(objects.view('T', 'f')).toBe(before.find(({ id }) => id === 'f'));
  });

  it('list objects that are set aside, until they fit', () => {
    const world = createWorld([]);
    const { objects } = world.follower();
    const lists: (readonly unknown[])[] = [];
    objects.setAside.all$.subscribe((list) => lists.push(list.map((one) => (one as { key: unknown }).key)));
    for (const value of [1, 'text', 2]) {
      world.integrate([{ kind: value === 1 ? 'create' : 'update', type: 'T', key: 'a', values: { n: value } }]);
      world.finish();
    }
    expect(lists).toEqual([[], ['a'], []]);
    expect(objects.view('T', 'a')).toMatchObject({ n: 2 });
  });

  it('know the rows of a stored block that are not valid any more, also in a tab that opened later', () => {
    const world = createWorld([]);
    world.integrate(creates);
    world.integrate(updates.slice(0, 1));
    while (world.finish());
    world.promote(false);
    world.promote(false); // Now the leader has the objects of the follower that opened later.
    world.write((tx) => tx.update('T', 'b', { n: 3 }));
    world.finish();
    world.rollBack([{ type: 'T', key: 'a', state: null }]);
    while (world.finish());
    expect(world.seen.marks).toBeGreaterThan(0);
    expect(world.follower().objects.view('T', 'a')).toBeUndefined();
    world.replace(unique('abcdefgh'.split('').map((id) => ({ key: id, what: 'alive', n: 1, time: 1 }))));
    while (world.finish());
    expect(layoutOf(world.follower().objects).gone).toEqual({});
    expect(world.follower().objects.view('T', 'a')).toMatchObject({ n: 1 });
  });

  it('are neither noted nor replaced by the same records', () => {
    const world = createWorld([]);
    world.integrate(creates);
    world.integrate([...updates.slice(0, 2), createOf('T', 'z', 'text')]);
    while (world.finish());
    const { objects } = world.follower();
    const views = objects.views('T');
    const lists: unknown[] = [];
    objects.setAside.all$.subscribe((list) => lists.push(list));
    objects.mirrorAll(world.store().context.objects.dump(), true);
    expect(objects.takeChanges().size).toBe(0);
    expect(objects.views('T').every((view) => views.includes(view))).toBe(true);
    expect(lists).toMatchObject([[{ key: 'z' }]]);
  });

  it('are those of a block that stays the same, when a record that replaced a row of it is gone', () => {
    const world = createWorld([]);
    world.integrate(creates);
    while (world.finish());
    const { objects } = world.follower();
    const [blocks, key] = [objects.dump(), updates[0]!.key];
    const before = objects.view('T', key);
    world.integrate(updates.slice(0, 1));
    while (world.finish());
    expect(objects.view('T', key)).not.toEqual(before);
    objects.mirrorAll(blocks, true);
    expect(objects.view('T', key)).toEqual(before);
  });

  it('stay as they are when a record cannot be read, wherever it is in a batch', () => {
    const world = createWorld([]);
    world.integrate(creates);
    world.integrate([...updates, createOf('T', 'z', 'text')]);
    while (world.finish());
    const { objects } = world.follower();
    const lists: unknown[] = [];
    objects.setAside.all$.subscribe((list) => lists.push(list));
    const records = world.store().context.objects.dump();
    const [block, single] = ['b/', 'o/'].map((prefix) => records.find((each) => each.key.startsWith(prefix)));
    if (block?.type !== 'put' || single?.type !== 'put') throw new Error('both kinds of records');
    const flipped = block.value.map((byte, at) => (at === 20 ? byte ^ 1 : byte));
    const damaged: readonly StorageChange[] = [
      { ...block, value: flipped },
      { ...block, key: 'b/x' },
      { ...single, value: single.value.subarray(0, -1) },
      { ...single, key: 'o/T/x1' },
      { type: 'del', key: 'o/T/x1' },
    ];
    const deletes = records.map((each): StorageChange => ({ type: 'del', key: each.key }));
    const before = [layoutOf(objects), objects.views('T')];
    for (const one of damaged) {
      for (const changes of [
        [one, ...deletes.filter((each) => each.key !== one.key)],
        [...deletes, one],
      ])
        expect(() => objects.mirror(changes)).toThrow(StorageError);
      expect(() => objects.mirrorAll([one], false)).toThrow(StorageError);
      expect(() => objects.mirrorAll([one], true)).toThrow(StorageError);
    }
    const other = { type: 'T', key: 'x', bytes: new Uint8Array([0xc1]) };
    const unreadable = encodeBlock([other]).record; // With the right checksum.
    expect(() => objects.mirrorAll([{ ...block, value: unreadable }], false)).toThrow(StorageError);
    expect(objects.takeChanges().size).toBe(0);
    expect([layoutOf(objects), objects.views('T')]).toEqual(before);
    expect(lists).toHaveLength(1);
    world.integrate([createOf('T', 'y', 1)]);
    expect(world.finish()).toBe(true);
  });

  it('are not changed by records of anything else', () => {
    const world = createWorld([]);
    const { objects } = world.follower();
    const other = new Uint8Array([0xc1]);
    for (const name of ['meta', 'b', 'b0', 'o', 'o0', 'u/e00000000001', 'r/1', 'schema', 'c/1'])
      objects.mirror([{ type: 'put', key: name, value: other }]);
    world.check();
  });
});
