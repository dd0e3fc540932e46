import fc from 'fast-check';
import { asapScheduler, firstValueFrom } from 'rxjs';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { ObjectState } from '../../../lib/merge/object-state.js';
import type { Operation } from '../../../lib/merge/operation.js';
import type { ServerChangeset } from '../../../lib/model/changeset.js';
import { checkSchema, type Schema } from '../../../lib/model/schema.js';
import type { SetAsideReport } from '../../../lib/model/set-aside-report.js';
import type { Key, Value } from '../../../lib/model/value.js';
import { isPending } from '../../../lib/store/objects/lazy-object.js';
import { decodeBlock } from '../../../lib/store/objects/object-block.js';
import { openStore } from '../../../lib/store/open-store.js';
import { blockPrefix } from '../../../lib/store/storage-keys.js';
import type { Store } from '../../../lib/store/store.js';
import type { Transaction } from '../../../lib/store/transaction/transaction-api.js';
import type { Storage } from '../../../lib/storage/storage.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { fittingCreateOf, itemSchema, itemUuid, otherCreateOf } from '../../merge/arbitrary-creates.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import { restoreState } from '../../merge/replica-world.js';
import { createHeldStorage, waitUntilDone } from '../test-kit.js';

/*
 * Compares the two ways of merging a page: creates that are copied, and the same page decoded and merged. The head of a
 * body in a longer form has the same meaning, and is never copied.
 */
const shapes = checkSchema(itemSchema);
const textKeys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'é', 'k'.repeat(40)];
const textKey: fc.Arbitrary<Key> = fc.constantFrom(...textKeys);
const numberKey: fc.Arbitrary<Key> = fc.constantFrom(...textKeys.keys());
const title = fc.record({ title: fc.constantFrom('x', 'y'), n: fc.constantFrom<Value>(1, null) });
const change: fc.Arbitrary<Operation> = fc
  .tuple(fc.constantFrom('update' as const, 'delete' as const), textKey, title)
  .map(([kind, key, values]) =>
    kind === 'delete' ? { kind, type: 'Item', key } : { kind, type: 'Item', key, values },
  );
const entry: fc.Arbitrary<Operation> = textKey.map((key) => ({
  ...{ kind: 'put', type: 'Item', key, property: 'tags' },
  entries: [['"a"', 'a']],
}));
const create = fittingCreateOf(textKey, numberKey);
const operations = fc.oneof(
  { weight: 14, arbitrary: create.map((one) => [one]) },
  { weight: 2, arbitrary: change.map((one) => [one]) },
  { weight: 1, arbitrary: otherCreateOf(fc.oneof(textKey, numberKey)).map((one) => [one]) },
  { weight: 1, arbitrary: fc.array(fc.oneof(create, change, entry), { minLength: 1, maxLength: 3 }) },
);
const changeset = fc.record({
  operations,
  time: fc.oneof({ weight: 20, arbitrary: fc.integer({ min: 1, max: 40 }) }, fc.constantFrom(2 ** 41, -1)),
  count: fc.integer({ min: 0, max: 2 }),
  origin: fc.constantFrom('a', 'b', 'b~s~x'),
  isDamaged: fc.integer({ min: 0, max: 60 }).map((chance) => chance === 0),
});
const page = fc.array(changeset, { minLength: 1, maxLength: 14 });
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('page' as const), page }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('write' as const), key: textKey }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('finish' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail' as const) }) },
);

const openOn = (storage: Storage): Store => {
  let at = 0;
  let draws = 0;
  const random = (): number => ((draws += 1) % 97) / 97;
  const clock = { now: () => (at += 1), random, scheduler: asapScheduler };
  let store: Store | undefined;
  openStore({ storage, shapes, clock }).subscribe((made) => (store = made));
  if (!store) throw new Error('memory opens at once');
  return store;
};

/**
 * Everything that a store has, in a form that can be compared. Not the layout of its storage, and not the order in
 * which a state has the names of its properties: reading a stored state groups those that were written together.
 */
const contentOf = async (store: Store) => {
  const { objects, optimistic } = store.context;
  const latest = (type: string, key: Key): ObjectState | null => {
    const state = objects.latestState(type, key);
    return state ? restoreState(state) : null;
  };
  return {
    states: Object.fromEntries(
      objects.listStored().map(({ type, key, state }) => [`${type} ${key}`, restoreState(state)]),
    ),
    shown: Object.fromEntries(
      ['Item', 'Linked'].map((type) => [type, new Map(store.objects(type).map((view) => [view['id'], { ...view }]))]),
    ),
    optimistic: textKeys.map((key, number) => [latest('Item', key), latest('Linked', number)]),
    setAside: new Set((await firstValueFrom(store.setAside$)).map((one) => JSON.stringify(one))),
    stats: store.stats(),
    instants: [optimistic.instant, optimistic.remoteInstant],
  };
};

/** A head of the longer form. */
const relabel = (body: Uint8Array): Uint8Array =>
  body[0] === 0x91 ? Uint8Array.from([0xdc, 0, 1, ...body.subarray(1)]) : body;

const deleteOrCreate = (tx: Transaction<Schema>, key: Key): void => {
  if (tx.get('Item', key)) tx.delete('Item', key);
  else tx.create('Item', { id: key, title: 'own', done: false, size: 1, ref: itemUuid });
};

/** The order of the errors in a report is the order in which the types were merged. */
const sortErrors = ({ version, errors }: SetAsideReport) => ({ version, errors: errors.map(String).sort() });

const createWorld = (toBody: (body: Uint8Array) => Uint8Array) => {
  const disk = createHeldStorage();
  const store = openOn(disk.storage);
  const reports: unknown[] = [];
  /** The objects that follow from the emitted changes. */
  const followed = { Item: new Set<Key>(), Linked: new Set<Key>() };
  for (const type of ['Item', 'Linked'] as const)
    store.changes$(type).subscribe(({ inserted, modified, deleted }) => {
      const keys = followed[type];
      expect([...modified, ...deleted].every((key) => keys.has(key))).toBe(true);
      expect([...inserted].some((key) => keys.has(key))).toBe(false);
      for (const key of inserted) keys.add(key);
      for (const key of deleted) keys.delete(key);
    });
  disk.hold();
  let version = 0;
  return {
    disk,
    store,
    reports,
    followed,
    integrate: (given: readonly Omit<ServerChangeset, 'version'>[]): void => {
      const from = version;
      version += given.length;
      const changesets = given.map((one, index) => ({ ...one, version: from + index + 1, body: toBody(one.body) }));
      store.integrate({ changesets, upTo: version, bytes: version, remainingBytes: 0 }).subscribe({
        next: (report) => void reports.push(sortErrors(report)),
        error: (thrown: unknown) => reports.push(thrown),
      });
    },
    write: (key: Key): void => {
      try {
        store.write((tx) => deleteOrCreate(tx, key)).subscribe({ error: (thrown: unknown) => reports.push(thrown) });
      } catch (thrown) {
        reports.push(thrown); // The object is set aside.
      }
    },
  };
};

const bodyOf = (given: readonly Operation[], isDamaged: boolean): Uint8Array => {
  const body = encodeOperations(given);
  return isDamaged ? body.slice(0, -1) : body;
};

const pendingOf = ({ context }: Store): number =>
  [...context.objects.tables().values()].flatMap((table) => [...table.values()].filter(isPending)).length;

describe('the objects that a page creates', () => {
  it('are the same as when the page is decoded and merged, whatever is pending, fails or is damaged', async () => {
    const seen = { copied: 0, blocks: 0, failed: 0, unreadable: 0, withOthers: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const copied = createWorld((body) => body);
        const merged = createWorld(relabel);
        const worlds = [copied, merged];
        const compare = async (): Promise<void> => {
          expect(await contentOf(copied.store)).toEqual(await contentOf(merged.store));
          expect(copied.reports).toEqual(merged.reports);
          for (const { store, followed } of worlds)
            for (const [type, keys] of Object.entries(followed))
              expect(keys).toEqual(new Set(store.objects(type).map(({ id }) => id)));
        };
        for (const each of steps) {
          const before = pendingOf(copied.store);
          if (each.do === 'page') {
            const changesets = each.page.map(({ operations: all, isDamaged, ...rest }) => ({
              ...rest,
              body: bodyOf(all, isDamaged),
            }));
            for (const world of worlds) world.integrate(changesets);
          } else if (each.do === 'write') for (const world of worlds) world.write(each.key);
          else if (each.do === 'fail') for (const { disk } of worlds) disk.fail();
          else for (const { disk } of worlds) while (disk.finish() > 0); // A block may have to be moved first.
          await Promise.resolve();
          const after = pendingOf(copied.store);
          expect(pendingOf(merged.store)).toBe(0);
          seen.copied += Math.max(0, after - before);
          if (each.do === 'page' && after > before && after - before < each.page.length) seen.withOthers += 1;
          if (each.do === 'fail' && before > 0) seen.failed += 1;
          await compare();
        }
        for (const { disk } of worlds) while (disk.finish() > 0);
        await compare();
        seen.unreadable += copied.reports.filter((one) => String(one).includes('Unreadable')).length;
        for (const { disk, store } of worlds) {
          const again = await contentOf(openOn(disk.inner));
          const { states, shown, setAside } = await contentOf(store);
          expect(again).toMatchObject({ states, shown, setAside });
        }
        const batch = await firstValueFrom(
          copied.disk.inner.range({ from: blockPrefix, to: 'b0', limit: 9, bytesMax: Infinity }),
        );
        seen.blocks += Number(batch.length > 0);
      }),
      runOptions(150),
    );
    if (!process.env['SEED']) {
      expect(seen.copied).toBeGreaterThan(200);
      expect(seen.blocks).toBeGreaterThan(20);
      expect(seen.withOthers).toBeGreaterThan(50);
      expect(seen.failed).toBeGreaterThan(3);
      expect(seen.unreadable).toBeGreaterThan(5);
    }
  });

  it('are stored in several blocks, if they are many, and each is found again', async () => {
    const storage = memoryStorage();
    const store = openOn(storage);
    const text = 'x'.repeat(1_000);
    const keys = Array.from({ length: 300 }, (_, index) => `key-${index}`);
    const changesets = keys.map((key, index) => ({
      ...{ version: index + 1, origin: 'a', time: 2 ** 41 + index, count: 0 },
      body: encodeOperations([{ kind: 'create', type: 'Item', key, values: { title: text + key } }]),
    }));
    await waitUntilDone(store.integrate({ changesets, upTo: 300, bytes: 1, remainingBytes: 0 }));
    const records = await firstValueFrom(
      storage.range({ from: blockPrefix, to: 'b0', limit: Infinity, bytesMax: Infinity }),
    );
    expect(records.length).toBeGreaterThan(3);
    for (const found of [store, openOn(storage)])
      expect(keys.map((key) => found.get('Item', key)?.['title'])).toEqual(keys.map((key) => text + key));
  });

  it('have one row and no other record each, if the same page changes them again', async () => {
    const storage = memoryStorage();
    const store = openOn(storage);
    const changesets = Array.from({ length: 40 }, (_, index): ServerChangeset => {
      const key = `key-${Math.floor(index / 2)}`;
      const kind = index % 2 === 0 ? 'create' : 'update';
      const body = encodeOperations([{ kind, type: 'Item', key, values: { title: kind } }]);
      return { version: index + 1, origin: 'a', time: index + 1, count: 0, body };
    });
    await waitUntilDone(store.integrate({ changesets, upTo: 40, bytes: 1, remainingBytes: 0 }));
    const all = await firstValueFrom(storage.range({ from: 'b', to: 'p', limit: Infinity, bytesMax: Infinity }));
    const records = all.filter(([key]) => /^[bo][/]/.test(key));
    expect(records.flatMap(([key, record]) => decodeBlock(key, record).rows)).toHaveLength(20);
    expect(store.objects('Item').map(({ title: given }) => given)).toEqual(new Array(20).fill('update'));
  });
});
