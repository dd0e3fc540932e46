import fc from 'fast-check';
import { encodeState } from '../../../lib/merge/state-codec.js';
import { limits } from '../../../lib/model/limits.js';
import type { ObjectState } from '../../../lib/merge/object-state.js';
import { checkSchema } from '../../../lib/model/schema.js';
import type { StorageChange } from '../../../lib/storage/storage.js';
import { blockPrefix, objectKeyOf, objectKeysFrom, parseObjectKey } from '../../../lib/store/storage-keys.js';
import { decodeBlock } from '../../../lib/store/objects/object-block.js';
import type { ObjectChange } from '../../../lib/store/objects/object-change.js';
import { createObjects, type Objects } from '../../../lib/store/objects/objects.js';
import { decodeStoredObject, isGoneMark } from '../../../lib/store/objects/stored-object.js';
import { runOptions } from '../../merge/arbitrary-operations.js';

const shapes = checkSchema({ T: { primaryKey: 'id', properties: { id: 'int', n: 'int' } } });
const keysMax = 30;

type Disk = Map<string, Uint8Array>;
/** The oracle: the encoded state of each object that the disk should have. */
type Model = Map<string, string>;

interface Pending {
  readonly changes: readonly StorageChange[];
  readonly settle: () => void;
  /** Changes the oracle. */
  readonly expect: (model: Model) => void;
}

const stamp = (time: number) => ({ time, count: 0, replica: 'r' });
const alive = (n: number): ObjectState => ({
  ...{ born: stamp(n + 1), died: null, values: { n }, laterStamps: null, collections: null },
});
const dead = (n: number): ObjectState => ({
  ...{ born: null, died: stamp(n + 1), values: {}, laterStamps: null, collections: null },
});
/** A state that the schema cannot show. */
const misfit = (n: number): ObjectState => ({ ...alive(n), values: { n: 'text' } });
const textOf = (state: ObjectState): string => Buffer.from(encodeState(state)).toString('hex');

const load = (disk: Disk, isChecked: boolean): Objects => {
  const objects = createObjects(shapes);
  const under = (prefix: string) => [...disk].filter(([key]) => key.startsWith(prefix)).sort();
  for (const [key, record] of under(blockPrefix)) objects.loadBlock(key, record, isChecked);
  for (const [storageKey, bytes] of under(objectKeysFrom)) {
    const { type, key } = parseObjectKey(storageKey);
    if (isGoneMark(bytes)) objects.loadGone(type, key);
    else objects.load(decodeStoredObject([storageKey, bytes]), bytes, isChecked);
  }
  return objects;
};

const contentOf = (objects: Objects): Model =>
  new Map(objects.listStored().map(({ type, key, state }) => [objectKeyOf(type, key), textOf(state)]));

const visibleOf = (objects: Objects): readonly unknown[] =>
  objects
    .views('T')
    .map((view) => view)
    .sort((a, b) => Number(a['id']) - Number(b['id']));

const write = (disk: Disk, changes: readonly StorageChange[]): void => {
  for (const change of changes) {
    if (change.type === 'put') disk.set(change.key, change.value);
    else disk.delete(change.key);
  }
};

const createWorld = () => {
  let objects = createObjects(shapes);
  const disk: Disk = new Map();
  const model: Model = new Map();
  let pending: Pending[] = [];
  let time = 0;

  const stage = (changed: readonly ObjectChange[], replacesAll: boolean): void => {
    const { changes, settle } = objects.stage(changed, { replacesAll });
    pending.push({
      changes,
      settle,
      expect: (all) => {
        for (const { type, key, state } of changed) {
          if (state === null) all.delete(objectKeyOf(type, key));
          else all.set(objectKeyOf(type, key), textOf(state));
        }
      },
    });
  };
  const changeOf = (key: number, what: string): ObjectChange => {
    time += 1;
    const states = { alive, dead, misfit } as Record<string, (n: number) => ObjectState>;
    return { type: 'T', key, state: states[what]?.(time) ?? null };
  };
  const changesOf = (all: readonly (readonly [number, string])[]): ObjectChange[] => [
    ...new Map(all.map(([key, what]) => [key, changeOf(key, what)])).values(),
  ];

  return {
    objects: () => objects,
    disk,
    model,
    pendingCount: () => pending.length,
    change: (all: readonly (readonly [number, string])[]) => stage(changesOf(all), false),
    replace: (all: readonly (readonly [number, string])[]) => {
      const kept = new Map(
        [...objects.listAllAsRemoved(), ...changesOf(all)].map((change) => [change.key, change] as const),
      );
      stage([...kept.values()], true);
    },
    compact: (): boolean => {
      const block = objects.takeSparseBlock();
      const record = block && disk.get(block.key);
      if (!block || !record || block.isDropped) return false;
      const { changes, settle } = objects.toRowMove(block, decodeBlock(block.key, record).rows);
      pending.push({ changes, settle, expect: () => undefined });
      return true;
    },
    flush: (count: number) => {
      for (const { changes, settle, expect: toModel } of pending.splice(0, count)) {
        write(disk, changes);
        settle();
        toModel(model);
      }
      objects.takeChanges();
    },
    fail: () => {
      pending = [];
      objects.unstage();
    },
    reopen: (isChecked: boolean) => {
      pending = [];
      objects = load(disk, isChecked && objects.setAside.isEmpty());
    },
  };
};

const what = fc.constantFrom('alive', 'alive', 'alive', 'dead', 'misfit', 'gone');
const some = fc.array(fc.tuple(fc.integer({ min: 0, max: keysMax }), what), { minLength: 1, maxLength: 12 });
const many = fc
  .uniqueArray(fc.integer({ min: 0, max: keysMax }), { minLength: 6, maxLength: 20 })
  .map((keys) => keys.map((key) => [key, 'alive'] as const));
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('change' as const), all: some }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('change' as const), all: many }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('replace' as const), all: fc.oneof(some, many) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('flush' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('compact' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const), isChecked: fc.boolean() }) },
);

const countRows = (disk: Disk): number =>
  [...disk].reduce(
    (sum, [key, record]) => sum + (key.startsWith(blockPrefix) ? decodeBlock(key, record).rows.length : 0),
    0,
  );

describe('blocks of objects', () => {
  it('a storage has the durable objects at every moment, whatever is pending, fails, is moved or replaced', () => {
    const seen = { blocks: 0, moved: 0, marks: 0, failed: 0 };
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), (steps) => {
        const world = createWorld();
        let hadMark = false;
        for (const each of steps) {
          if (each.do === 'change' || each.do === 'replace') world[each.do](each.all);
          else if (each.do === 'flush') world.flush(each.count);
          else if (each.do === 'compact') seen.moved += Number(world.compact());
          else if (each.do === 'fail') {
            seen.failed += Number(world.pendingCount() > 0);
            world.fail();
          } else world.reopen(each.isChecked);
          expect(contentOf(world.objects())).toEqual(world.model);
          const found = load(world.disk, false);
          expect(contentOf(found)).toEqual(world.model);
          expect(visibleOf(found)).toEqual(visibleOf(world.objects()));
          hadMark ||= [...world.disk.values()].some(isGoneMark);
        }
        const names = [...world.disk.keys()];
        seen.blocks += Number(names.some((key) => key.startsWith(blockPrefix)));
        seen.marks += Number(hadMark);
      }),
      runOptions(250),
    );
    if (!process.env['SEED']) {
      expect(seen.blocks).toBeGreaterThan(80);
      expect(seen.moved).toBeGreaterThan(80);
      expect(seen.marks).toBeGreaterThan(40);
      expect(seen.failed).toBeGreaterThan(80);
    }
  });

  it('they have at most twice as many rows as valid ones when all moves are done', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), (steps) => {
        const world = createWorld();
        for (const each of steps) {
          if (each.do === 'change' || each.do === 'replace') world[each.do](each.all);
          else world.flush(9);
        }
        do world.flush(9);
        while (world.pendingCount() > 0 || world.compact());
        const found = load(world.disk, false);
        const valid = [...(found.tables().get('T')?.values() ?? [])].filter(
          ({ stateOrBytes, block }) => block?.states === stateOrBytes,
        ).length;
        expect(countRows(world.disk)).toBeLessThanOrEqual(2 * valid);
      }),
      runOptions(100),
    );
  });

  it('objects that are too few, too large, deleted or set aside are stored one by one', () => {
    const large = { ...alive(1), values: { n: 1, x: 'x'.repeat(limits.blockRowBytesMax) } };
    const prefixesOf = (states: readonly ObjectState[]): readonly string[] =>
      createObjects(shapes)
        .stage(states.map((state, key) => ({ type: 'T', key, state })))
        .changes.map(({ key }) => key.slice(0, 2));
    expect(prefixesOf([alive(1), alive(2), alive(3)])).toEqual(['o/', 'o/', 'o/']);
    expect(prefixesOf([alive(1), alive(2), alive(3), alive(4)])).toEqual(['b/']);
    expect(prefixesOf([alive(1), large, alive(2), dead(1), alive(3), misfit(1), alive(4)])).toEqual([
      ...['o/', 'o/', 'o/', 'b/'],
    ]);
  });

  it('a block with any changed or missing byte is not read', () => {
    const { changes } = createObjects(shapes).stage(
      [1, 2, 3, 4, 5].map((key) => ({ type: 'T', key, state: alive(key) })),
    );
    const [block] = changes;
    if (block?.type !== 'put') throw new Error('no block');
    for (let at = 0; at < block.value.byteLength; at += 1) {
      for (const bit of [1, 0x80]) {
        const damaged = block.value.slice();
        damaged[at] = (damaged[at] ?? 0) ^ bit;
        expect(() => createObjects(shapes).loadBlock(block.key, damaged, true)).toThrow(/storage is damaged/);
      }
      expect(() => createObjects(shapes).loadBlock(block.key, block.value.slice(0, at), true)).toThrow(/is damaged/);
    }
  });
});
