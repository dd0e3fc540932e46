import fc from 'fast-check';
import { decodeOperations, encodeOperations } from '../../../lib/merge/operation-codec.js';
import { applyOperation, forgetTombstones, isAlive, type ObjectState } from '../../../lib/merge/object-state.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { createInsertContext, createPositionsBetween } from '../../../lib/merge/list-position.js';
import { compareInstants, operationStampOf } from '../../../lib/merge/timestamp.js';
import { limits } from '../../../lib/model/limits.js';
import { checkSchema } from '../../../lib/model/schema.js';
import { isSameValue, type Value } from '../../../lib/model/value.js';
import { operationBytesOf, piecesOf } from '../../../lib/store/transaction/operation-pieces.js';
import { type DatedOperation, recreateOperations } from '../../../lib/store/sync/recreate-operations.js';
import { viewOf } from '../../../lib/store/objects/object-view.js';
import { anyStep, applyStep } from '../../merge/random-edits.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import { anySeed, expectEqual, worldOf } from '../../merge/replica-world.js';

const shape = checkSchema({
  Page: { primaryKey: 'id', properties: { id: 'string', a: 'data', b: 'data', title: 'string', notes: 'string{}' } },
}).get('Page');

const performed = (all: readonly DatedOperation[], replica: string): ObjectState | undefined =>
  all.reduce<ObjectState | undefined>((state, { operation, instant }) => {
    const read = decodeOperations(encodeOperations([operation]));
    if (!('right' in read)) throw new Error(read.left);
    return applyOperation(state, read.right[0]!, operationStampOf(instant, replica, 0));
  }, undefined);

/** Removes the stamp of a delete before the latest create, which has no effect on replicas without older changes. */
const withoutDelete = (state: ObjectState | null | undefined) => state && { ...state, died: null };

describe('an object that is recreated', () => {
  it('field report A-7: has the same state and stamps, in any order, and is not duplicated when it is recreated twice', () => {
    const steps = fc.array(anyStep, { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(steps, anySeed, (given, random) => {
        const world = worldOf(1);
        for (const each of given) if (each.does === 'write') applyStep(world, { ...each, deviceIndex: 0 });
        const [{ objects, replica }] = world.devices as readonly [(typeof world.devices)[0]];
        for (const key of [1, 2]) {
          const state = objects.latestState('T', key);
          if (!state || !isAlive(state)) continue;
          const dated = recreateOperations('T', key, state);
          const instants = dated.map(({ instant }) => instant);
          expect(instants.slice(1).every((each, at) => compareInstants(each, instants[at]!) > 0)).toBe(true);
          const expected = withoutDelete(forgetTombstones(state, () => true));
          const shuffled = [...dated, ...dated].map((each) => ({ each, at: random() })).sort((a, b) => a.at - b.at);
          expectEqual(performed(dated, replica), expected);
          expectEqual(
            performed(
              shuffled.map(({ each }) => each),
              replica,
            ),
            expected,
          );
        }
      }),
      runOptions(600),
    );
  });

  it('has operations that each fit a changeset, or pieces of them that do', () => {
    const page = { type: 'Page', key: 'p' } as const;
    const large = 'x'.repeat(3_000_000);
    const written: readonly Operation[] = [
      {
        kind: 'create',
        ...page,
        values: { a: new Uint8Array(6_000_000), b: new Uint8Array(6_000_000), title: 'large' },
      },
      { kind: 'put', ...page, property: 'notes', entries: ['a', 'b', 'c'].map((name) => [name, large]) },
    ];
    const at = (all: readonly Operation[]) =>
      all.map((operation, count): DatedOperation => ({ operation, instant: { time: 1, count } }));
    const state = performed(at(written), 'one')!;
    const pieces = recreateOperations('Page', 'p', state).flatMap(({ operation }) =>
      piecesOf(operation, operationBytesOf(operation)),
    );
    expect(pieces[0]).toMatchObject({ kind: 'create', values: { title: 'large' } });
    expect(Math.max(...pieces.map(operationBytesOf))).toBeLessThan(limits.changesetBytesMax);
    if (!shape) throw new Error('no shape');
    const [again, before] = [viewOf(shape, performed(at(pieces), 'one')!, 'p'), viewOf(shape, state, 'p')];
    expect(Object.keys(again).filter((name) => !isSameValue(again[name] as Value, before[name] as Value))).toEqual([]);
  });

  it('keeps the indexes of elements when others of the same insert were removed', () => {
    const { run, keys } = createPositionsBetween(null, null, createInsertContext('one'), 3);
    const target = { type: 'Page', key: 'p', property: 'steps' } as const;
    const operations: readonly Operation[] = [
      { kind: 'create', type: 'Page', key: 'p', values: {} },
      { kind: 'insert', ...target, run, keys, values: ['a', 'b', 'c'] },
      { kind: 'remove', ...target, elements: [{ time: 1, count: 1, replica: 'one', index: 1 }] },
    ];
    const state = performed(
      operations.map((operation, count): DatedOperation => ({ operation, instant: { time: 1, count } })),
      'one',
    )!;
    expect(recreateOperations('Page', 'p', state)[1]?.operation).toMatchObject({ values: ['a', 'c'], indexes: [0, 2] });
  });
});
