import { applyOperation, type ObjectState } from '../../lib/merge/object-state.js';
import type { Operation } from '../../lib/merge/operation.js';
import { createBatchOwnership } from '../../lib/merge/batch-ownership.js';
import { encodeState } from '../../lib/merge/state-codec.js';

const target = { type: 'Note', key: 1 } as const;
const increment = { kind: 'increment', ...target, property: 'votes', by: 1 } as const;

/** Returns the state that operations of one changeset make, and the milliseconds of CPU time that this took. */
const made = (count: number, operationAt: (at: number) => Operation, isInPlace = true) => {
  const work = isInPlace ? createBatchOwnership() : null;
  const operations = Array.from({ length: count }, (_, at) => operationAt(at));
  const began = process.cpuUsage();
  let state: ObjectState | undefined;
  operations.forEach((operation, at) => {
    state = applyOperation(state, operation, { time: 1_000, count: 2 * at, replica: 'b' }, work);
  });
  const { user, system } = process.cpuUsage(began);
  return { state: state!, cpuMs: (user + system) / 1_000 };
};

describe('many operations of one changeset on one object', () => {
  it.each<[string, (at: number) => Operation]>([
    ['properties', (at) => ({ kind: 'update', ...target, values: { [`p${at}`]: at } })],
    ['collections', (at) => ({ kind: 'put', ...target, property: `p${at}`, entries: [['k', at]] })],
    ['lives of a counter', (at) => ({ ...increment, born: { time: 5, count: at, replica: 'a' }, after: null })],
    [
      'increments with one missing before each',
      (at) => ({ ...increment, born: { time: 5, count: 0, replica: 'a' }, after: { time: 1_000, count: 2 * at - 1 } }),
    ],
    [
      'increments one after the other',
      (at) => ({
        ...{ ...increment, born: { time: 5, count: 0, replica: 'a' } },
        after: at === 0 ? null : { time: 1_000, count: 2 * at - 2 },
      }),
    ],
  ])('field report E-2: take time in proportion to their number, and reach the same state: %s', (_, operationAt) => {
    const [one, other] = [made(300, operationAt), made(300, operationAt, false)];
    expect(encodeState(one.state)).toEqual(encodeState(other.state));
    // Each took minutes before the fix.
    expect(made(25_000, operationAt).cpuMs).toBeLessThan(2_500);
  });
});
