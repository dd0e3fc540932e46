import fc from 'fast-check';
import { firstValueFrom } from 'rxjs';
import { decodeOperations } from '../../../lib/merge/operation-codec.js';
import { applyOperation, isAlive, type ObjectState } from '../../../lib/merge/object-state.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { operationStampOf } from '../../../lib/merge/timestamp.js';
import { objectTextOf } from '../../../lib/model/object-key.js';
import { isRight } from '../../../lib/model/result.js';
import type { Value } from '../../../lib/model/value.js';
import type { HistoryRecord } from '../../../lib/server/history/history-record.js';
import { joinChanges, touchesOf, type TouchChange } from '../../../lib/server/history/touches.js';
import type { Permit } from '../../../lib/server/index.js';
import { createFaultyStorage } from '../test-kit.js';
import { create, openWatchedRealm, remove, update, type WatchedRealm } from '../watched-realm.js';

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
