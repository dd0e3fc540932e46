import fc from 'fast-check';
import { firstValueFrom } from 'rxjs';
import { decodeOperations } from '../../../lib/merge/operation-codec.js';
import { applyOperation, isAlive, type ObjectState } from '../../../lib/merge/object-state.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { operationStampOf } from '../../../lib/merge/timestamp.js';
import { limits } from '../../../lib/model/limits.js';
import { objectTextOf } from '../../../lib/model/object-key.js';
import { isRight } from '../../../lib/model/result.js';
import type { Value, Values } from '../../../lib/model/value.js';
import type { HistoryRecord } from '../../../lib/server/history/history-record.js';
import { joinChanges, touchesOf, type TouchChange } from '../../../lib/server/history/touches.js';
import type { Permit } from '../../../lib/server/index.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createFaultyStorage } from '../test-kit.js';
import { openWatchedRealm, run, type WatchedRealm } from '../watched-realm.js';

const create = (key: string, values: Values, type = 'Task'): Operation => ({ kind: 'create', type, key, values });
const update = (key: string, values: Values, type = 'Task'): Operation => ({ kind: 'update', type, key, values });
const remove = (key: string, type = 'Task'): Operation => ({ kind: 'delete', type, key });

/** Returns the touches of each changeset as texts, such as `a: [1] > null`. */
const textsOf = (records: readonly HistoryRecord[]): readonly (readonly string[] | null)[] =>
  records.map(
    (record) =>
      touchesOf(record)?.map(({ type, key, change }) =>
        change === null
          ? `${type} ${key} same`
          : `${type} ${key} ${JSON.stringify(change.before)} > ${JSON.stringify(change.after)}`,
      ) ?? null,
  );

const touchTextsOf = async (one: WatchedRealm) => textsOf(await one.records());

describe('the touches of a changeset', () => {
  it('have the watched values of each object of a watched type before and after it', async () => {
    const one = await openWatchedRealm(memoryStorage());
    one.upload('a', 1, [create('x', { list: 'in', done: false, n: 1 }), create('y', {}, 'Note')]);
    one.watch('Task', 'list', 'done');
    one.upload(
      'a',
      2,
      [create('z', { list: 'out', n: [1] }), update('y', { list: 'in' }, 'Note'), update('x', { done: true })],
      [update('x', { n: 2 }), update('y', {}, 'Note')],
      [update('y', { list: 'out' }, 'Note')],
      [remove('x'), update('gone', { list: 'in' }), update('z', { list: 'later' })],
    );
    one.watch('Task', 'n');
    one.watch('Note');
    one.upload('a', 9, [update('z', { n: 3 }), remove('y', 'Note')], [create('x', { n: 7 })]);
    expect(await touchTextsOf(one)).toEqual([
      null,
      ['Task z null > ["out",null]', 'Task x ["in",false] > ["in",true]'],
      ['Task x same'],
      [],
      ['Task x ["in",true] > null', 'Task gone null > null', 'Task z ["out",null] > ["later",null]'],
      ['Task z ["later",null,[]] > ["later",null,3]', 'Note y [] > null'],
      ['Task x null > [null,null,7]'],
    ]);
  });

  it('are two bytes of an object whose watched values stay the same, and less than 60 with three that change', async () => {
    const one = await openWatchedRealm(memoryStorage());
    const key = '3f2504e0-4f89-11d3-9a0c-0305e82c3301';
    one.watch('Task', 'list', 'done', 'due');
    const values = { list: 'groceries', done: false, due: 1_796_000_000_000, text: 'milk' };
    one.upload('a', 1, [create(key, values)], [update(key, { text: 'bread' })]);
    one.upload('a', 3, [update(key, { list: 'household', done: true, due: 1_796_500_000_000 })]);
    const sizes = (await one.records()).map(({ touches }) => touches?.byteLength);
    expect(sizes).toEqual([24, 3, 47]); // One byte is for all touches of a changeset.
  });

  it('are not in a realm that is not watched', async () => {
    const one = await openWatchedRealm(memoryStorage());
    one.upload('a', 1, [create('x', { list: 'in' })]);
    const [record] = await one.records();
    expect(record).not.toHaveProperty('touches');
  });

  it('hold as much of a long value as a filter can compare', async () => {
    const one = await openWatchedRealm(memoryStorage());
    one.watch('Task', 'text', 'data');
    const text = `${'x'.repeat(limits.filterBytesMax - 1)}😀`;
    one.upload('a', 1, [create('x', { text, data: new Uint8Array(limits.filterBytesMax + 9) })]);
    const [touch] = touchesOf((await one.records())[0]!) ?? [];
    const [kept, data] = touch?.change?.after ?? [];
    expect(kept).toBe('x'.repeat(limits.filterBytesMax - 1));
    expect((data as Uint8Array).byteLength).toBe(limits.filterBytesMax);
  });

  it('are left out where they are far larger than the changeset, which begins to watch its types again', async () => {
    const one = await openWatchedRealm(memoryStorage());
    one.watch('Task', 'text', 'done');
    one.watch('Note', 'text');
    const text = 'x'.repeat(limits.filterBytesMax);
    const keys = Array.from({ length: serverLimits.touchesBytesMax / text.length + 1 }, (_, at) => `k${at}`);
    one.upload(
      'a',
      1,
      keys.slice(1).map((key) => create(key, { text })),
    );
    one.upload(
      'a',
      2,
      keys.slice(1).map((key) => update(key, { done: true })),
    );
    one.upload(
      'a',
      3,
      [create('k0', { text })],
      keys.map((key) => update(key, { done: false })),
    );
    one.upload('a', 5, [update('k1', { done: true })]);
    const found = (await one.records()).map((record) => touchesOf(record)?.length);
    expect(found).toEqual([keys.length - 1, keys.length - 1, 1, 0, 1]);
    const { types } = one.history.watchedProperties;
    expect(types.get('Task')).toMatchObject({ since: 4, properties: [{ since: 4 }, { since: 4 }] });
    expect(types.get('Note')).toMatchObject({ since: 0, properties: [{ since: 0 }] });
  });

  it('begin after the batch that is being written when a property is watched', async () => {
    const storage = createFaultyStorage();
    const one = await openWatchedRealm(storage);
    one.upload('a', 1, [create('x', {})]);
    storage.hold();
    one.upload('a', 2, [update('x', { list: 'in' })]);
    const [first, second] = [one.watch('Task', 'list'), one.watch('Task', 'done')];
    const third = one.upload('b', 2, [update('x', { done: true })]);
    expect([first.end(), one.history.watchedProperties.types.size]).toEqual(['open', 0]);
    while (third.end() === 'open') {
      storage.release();
      storage.hold();
    }
    expect([first.end(), second.end(), third.emitted]).toEqual(['complete', 'complete', [{ accepted: 1 }]]);
    const task = one.history.watchedProperties.types.get('Task');
    expect([task?.since, task?.properties.map(({ since }) => since)]).toEqual([2, [2, 2]]);
    expect(await touchTextsOf(one)).toEqual([null, null, ['Task x ["in",null] > ["in",true]']]);
    const others = [one.upload('a', 3, [remove('x')]), one.watch('Task', 'n'), one.watch('Note')];
    while (others[0]?.end() === 'open') {
      storage.release();
      storage.hold();
    }
    for (let batches = 0; batches < 2; batches += 1) storage.release(); // No upload waits.
    expect(others.map(({ end }) => end())).toEqual(['complete', 'complete', 'complete']);
  });

  it('do not keep the retention cutoff waiting while a property begins to be watched', async () => {
    const storage = createFaultyStorage();
    const one = await openWatchedRealm(storage);
    storage.hold();
    one.watch('Task', 'list');
    const rejecting = run(one.realm.uploadQueue.rejectBefore(5));
    expect(rejecting.end()).toBe('open');
    storage.release();
    expect(rejecting.end()).toBe('complete');
  });

  it('are not missing after an upload or a watch that failed', async () => {
    const storage = createFaultyStorage();
    const one = await openWatchedRealm(storage);
    storage.fail(true);
    const failed = [one.watch('Task', 'list'), one.upload('a', 1, [create('x', {})])];
    storage.fail(false);
    expect(failed.map(({ end }) => end())).toEqual(['the disk is full', 'the disk is full']);
    const names = Array.from({ length: serverLimits.watchedPropertiesMax + 1 }, (_, at) => `p${at}`);
    expect(one.watch('Task', ...names).end()).toMatch(/more than 16 properties/);
    expect(one.history.watchedProperties.types.size).toBe(0);
    expect(one.watch('Task', 'list').end()).toBe('complete');
    one.upload('b', 1, [create('y', { list: 'in' })]);
    expect(await touchTextsOf(one)).toEqual([['Task y null > ["in"]']]);
  });
});

/** A version of an object: the values of the properties that may be watched, or `null`. */
type Snapshot = Readonly<Record<string, Value>> | null;

const properties = ['a', 'b', 'c'];

/** Returns the objects after each version, folded from the bodies alone. */
const foldHistory = (records: readonly HistoryRecord[]): readonly ReadonlyMap<string, Snapshot>[] => {
  const states = new Map<string, ObjectState>();
  const all: ReadonlyMap<string, Snapshot>[] = [new Map()];
  for (const { time, count, origin, body } of records) {
    const decoded = decodeOperations(body);
    if (!isRight(decoded)) throw new Error('damaged');
    decoded.right.forEach((operation, at) => {
      const text = objectTextOf(operation.type, operation.key);
      states.set(text, applyOperation(states.get(text), operation, operationStampOf({ time, count }, origin, at)));
    });
    const shot = [...states].map(([text, state]): [string, Snapshot] => [
      text,
      isAlive(state) ? Object.fromEntries(properties.map((name) => [name, state.values[name] ?? null])) : null,
    ]);
    all.push(new Map(shot));
  }
  return all;
};

/** Compares what the touches between each two versions say with what the history says. */
const checkTouches = (one: WatchedRealm, records: readonly HistoryRecord[]): void => {
  const shots = foldHistory(records);
  const touches = records.map((record) => touchesOf(record));
  for (const [type, { since, properties: watched }] of one.history.watchedProperties.types)
    for (let from = since; from < records.length; from += 1) {
      const changes = new Map<string, TouchChange | null>();
      for (let to = from + 1; to <= records.length; to += 1) {
        for (const touch of touches[to - 1] ?? []) {
          const text = objectTextOf(touch.type, touch.key);
          const earlier = changes.get(text);
          if (touch.type === type)
            changes.set(text, earlier === undefined ? touch.change : joinChanges(earlier, touch.change));
        }
        const names = watched.filter((each) => each.since <= from).map(({ name }) => name);
        const pick = (shot: Snapshot | undefined) => (shot ? names.map((name) => shot[name]) : null);
        const objects = [...(shots[to]?.keys() ?? [])].filter((text) => text.startsWith(`${type}/`));
        for (const text of objects) {
          const [was, is] = [pick(shots[from]?.get(text)), pick(shots[to]?.get(text))];
          const change = changes.get(text);
          if (change === undefined) expect([from, to, text, is]).toEqual([from, to, text, was]);
          else if (change === null) expect([is !== null, is]).toEqual([true, was]);
          else {
            const cut = (values: readonly Value[] | null) => values?.slice(0, names.length) ?? null;
            expect([from, to, text, cut(change.before), cut(change.after)]).toEqual([from, to, text, was, is]);
          }
        }
      }
    }
};

const anyKey = fc.constantFrom('x', 'y', 'z');
const anyType = fc.constantFrom('Task', 'Task', 'Note');
const anyValues = fc.dictionary(
  fc.constantFrom(...properties, 'other'),
  fc.constantFrom<Value>(null, 0, 1, 'in', 'bad', true, Uint8Array.of(1)),
  { maxKeys: 3 },
);
const anyOperation: fc.Arbitrary<Operation> = fc.oneof(
  fc.tuple(anyKey, anyValues, anyType).map(([key, values, type]) => create(key, values, type)),
  fc.tuple(anyKey, anyValues, anyType).map(([key, values, type]) => update(key, values, type)),
  fc.tuple(anyKey, anyType).map(([key, type]) => remove(key, type)),
  fc.tuple(anyKey, anyType).map(([key, type]): Operation => {
    return { kind: 'put', type, key, property: 'set', entries: [['k', 1]] };
  }),
);
type Act = (one: WatchedRealm, storage: ReturnType<typeof createFaultyStorage>) => void;
const anyAct: fc.Arbitrary<Act | 'restart'> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        fc.constantFrom('a', 'b', 'c'),
        fc.integer({ min: 1, max: 60 }),
        fc.array(fc.array(anyOperation, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
      )
      .map(
        ([replica, time, all]): Act =>
          (one) =>
            void one.upload(replica, time, ...all),
      ),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(anyType, fc.subarray(properties)).map(
      ([type, names]): Act =>
        (one) =>
          void one.watch(type, ...names),
    ),
  },
  fc.constant<Act>((one) => void one.project()),
  fc.constant<Act>((_, storage) => storage.hold()),
  fc.constant<Act>((_, storage) => storage.release()),
  fc.constant('restart' as const),
);
/** Returns the number of rejected changesets of all replicas. */
const countRejections = async ({ history }: WatchedRealm): Promise<number> => {
  const all = await Promise.all(['a', 'b', 'c'].map((id) => firstValueFrom(history.readRejected(id))));
  return all.flat().length;
};
const rejectBad: Permit = (_, __, { after }) => after?.['a'] !== 'bad' || 'that is bad';

describe('touches of random histories', () => {
  it('decide of each object what it was and what it is, between any two versions since it was watched', async () => {
    const reached = { changes: 0, same: 0, rejected: 0, projected: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(anyAct, { minLength: 5, maxLength: 30 }), fc.boolean(), async (acts, isGuarded) => {
        const storage = createFaultyStorage();
        const permit = isGuarded ? rejectBad : null;
        let one = await openWatchedRealm(storage, permit);
        const letGo = (): void => {
          for (let round = 0; round < 200; round += 1) storage.release();
        };
        for (const act of acts) {
          if (act !== 'restart') {
            act(one, storage);
            continue;
          }
          letGo();
          one.close();
          one = await openWatchedRealm(storage, permit);
        }
        letGo();
        const records = await one.records();
        checkTouches(one, records);
        one.close();
        const touches = records.flatMap((record) => touchesOf(record) ?? []);
        reached.changes += touches.filter(({ change }) => change !== null).length;
        reached.same += touches.length - touches.filter(({ change }) => change !== null).length;
        reached.projected += one.history.projection.cursor.version > 0 ? 1 : 0;
        reached.rejected += (await countRejections(one)) > 0 ? 1 : 0;
      }),
      { numRuns: Number(process.env['RUNS'] ?? 150) },
    );
    for (const count of Object.values(reached)) expect(count).toBeGreaterThan(10);
  });
});
