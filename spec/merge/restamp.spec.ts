import fc from 'fast-check';
import { encodeOperations } from '../../lib/merge/operation-codec.js';
import { applyOperation, type ObjectState } from '../../lib/merge/object-state.js';
import { rebaseOperation } from '../../lib/merge/rebase.js';
import { restampState, type StampShift, createShiftRebase } from '../../lib/merge/restamp.js';
import { compareInstants, lastInstantOf, laterInstantOf, nextInstantOf } from '../../lib/merge/timestamp.js';
import { encodeState } from '../../lib/merge/state-codec.js';
import type { Instant } from '../../lib/model/changeset.js';
import { anyStep, applyStep } from './random-edits.js';
import { createStamp, runOptions } from './arbitrary-operations.js';
import {
  anySeed,
  type Device,
  deepFreeze,
  receive,
  operationsOf,
  type PostedChangeset,
  restoreState,
  expectEqual,
  type World,
} from './replica-world.js';
import { deviceViewOf, worldOf, writeOn } from './replica-world.js';

const stateOf = ({ objects }: Device, key: number): ObjectState | undefined => objects.latestState('T', key);

/**
 * Returns new instants for the writes of a device, each as early as possible after what it knew, and none later than
 * before.
 */
const shiftsFor = (posted: readonly PostedChangeset[], known: Instant, now: number): readonly StampShift[] => {
  const shifts: StampShift[] = [];
  let last = known;
  for (const each of posted) {
    const operations = operationsOf(each).length;
    const to = nextInstantOf(last, now);
    const moves = compareInstants(to, each) < 0;
    if (moves) shifts.push({ from: { time: each.time, count: each.count }, operations, to });
    last = laterInstantOf(last, lastInstantOf(moves ? to : each, operations));
  }
  return shifts;
};

/**
 * Three devices. The first one then writes far ahead of the others' clocks, and still receives some of their
 * changesets.
 */
const scene = fc.record({
  before: fc.array(anyStep, { maxLength: 30 }),
  uniqueSteps: fc.array(anyStep, { minLength: 1, maxLength: 15 }),
  now: fc.constantFrom(0, 2, 60, 999, 1_002),
  random: anySeed,
});

const played = ({
  before,
  uniqueSteps,
}: Pick<typeof scene extends fc.Arbitrary<infer T> ? T : never, 'before' | 'uniqueSteps'>) => {
  const world = worldOf(3);
  const me = world.devices[0]!;
  for (const each of before) applyStep(world, each);
  const shared = [...world.posted];
  const ownWorld: World = { ...world, devices: [me] };
  for (const each of uniqueSteps) {
    if (each.does === 'write') applyStep(ownWorld, { ...each, now: each.now + 1_000 });
    else if (each.does === 'restart') applyStep(ownWorld, each);
    else if (shared.length > 0) receive(me, shared[each.which % shared.length]!);
  }
  const unsent = world.posted.slice(shared.length);
  const known = shared.filter((posted) => me.received.has(posted));
  const instant = known.reduce<Instant>(
    (sofar, posted) => laterInstantOf(sofar, lastInstantOf(posted, operationsOf(posted).length)),
    { time: 0, count: 0 },
  );
  return { me, unsent, known, instant };
};

describe('a state whose operations are stamped again', () => {
  it('is the state that replicas get which merge the operations under their new stamps, and looks as before', () => {
    let moved = 0;
    fc.assert(
      fc.property(scene, ({ now, random, ...steps }) => {
        const { me, unsent, known, instant } = played(steps);
        const shifts = shiftsFor(unsent, instant, now);
        moved += shifts.length;
        const rebase = createShiftRebase(shifts, me.replica);
        const again = unsent.map((posted): PostedChangeset => {
          const operations = operationsOf(posted).map(({ operation }) => rebaseOperation(operation, rebase));
          const { time, count } = rebase.toInstant(posted) ?? posted;
          return { ...posted, time, count, body: encodeOperations(operations) };
        });
        const other = worldOf(1).devices[0]!;
        const all = [...known, ...again].map((posted) => ({ posted, order: random() }));
        for (const { posted } of all.sort((a, b) => a.order - b.order)) receive(other, posted);

        for (const key of [1, 2]) {
          const before = stateOf(me, key);
          if (!before) continue;
          const view = deviceViewOf(me, key);
          const state = deepFreeze(restampState(before, rebase));
          expectEqual(state, stateOf(other, key));
          expectEqual(restoreState(state), state);
          me.objects.stage([{ type: 'T', key, state }]).settle();
          expectEqual(deviceViewOf(me, key), view);
        }
      }),
      runOptions(2_000),
    );
    expect(moved).toBeGreaterThan(process.env['SEED'] ? 0 : 2_000);
  });

  it('takes no more bytes: values that were written together still share their stamp', () => {
    const values = { a: 1, b: 2, c: 3, d: 4 };
    const later = applyOperation(
      applyOperation(undefined, { kind: 'create', type: 'T', key: 1, values }, createStamp(1, 'other')),
      { kind: 'update', type: 'T', key: 1, values: { a: 5, b: 6, c: 7 } },
      createStamp(900, 'me'),
    );
    const rebase = createShiftRebase(
      [{ from: { time: 900, count: 0 }, operations: 1, to: { time: 800, count: 0 } }],
      'me',
    );
    expect(encodeState(restampState(later, rebase))).toHaveLength(encodeState(later).length);
    expect(restampState(later, rebase)).toMatchObject({
      born: createStamp(1, 'other'),
      laterStamps: { a: createStamp(800, 'me') },
    });
  });
});

describe('new instants', () => {
  const rebase = createShiftRebase(
    [
      { from: { time: 9, count: 2 }, operations: 3, to: { time: 1, count: 7 } },
      { from: { time: 9, count: 6 }, operations: 1, to: { time: 2, count: 0 } },
    ],
    'me',
  );

  it.each([
    [{ time: 9, count: 1 }, null],
    [
      { time: 9, count: 2 },
      { time: 1, count: 7 },
    ],
    [
      { time: 9, count: 4 },
      { time: 1, count: 9 },
    ],
    [{ time: 9, count: 5 }, null],
    [
      { time: 9, count: 6 },
      { time: 2, count: 0 },
    ],
    [{ time: 9, count: 7 }, null],
    [{ time: 8, count: 2 }, null],
    [{ time: 10, count: 6 }, null],
  ])('of %j are %j', (instant, expected) => {
    expect(rebase.toInstant(instant)).toEqual(expected);
  });

  it('leave the stamps of other replicas unchanged, and do not copy operations that name none of the changed stamps', () => {
    const operation = { kind: 'increment', type: 'T', key: 1, property: 'votes', by: 1, after: null } as const;
    const remote = { ...operation, born: createStamp(9, 'other', 2) };
    expect(rebaseOperation(remote, rebase)).toBe(remote);
    const own = { ...operation, born: createStamp(9, 'me', 3), after: { time: 9, count: 6 } };
    expect(rebaseOperation(own, rebase)).toEqual({
      ...own,
      born: createStamp(1, 'me', 8),
      after: { time: 2, count: 0 },
    });
  });

  it('are applied to successive increments of one transaction', () => {
    const world = worldOf(1);
    const me = world.devices[0]!;
    writeOn(world, me, 900, (tx) => tx.create('T', { id: 1, votes: 0 }));
    writeOn(world, me, 901, (tx) => tx.increment('T', 1, 'votes', 2));
    writeOn(world, me, 902, (tx) => tx.increment('T', 1, 'votes', 3));
    const shifts = shiftsFor(world.posted, { time: 0, count: 0 }, 5);
    const state = restampState(stateOf(me, 1)!, createShiftRebase(shifts, me.replica));
    expect(state.collections?.['votes']?.counter).toEqual([
      {
        born: createStamp(5, me.replica),
        chains: [{ replica: me.replica, after: null, upTo: { time: 5, count: 3 }, sum: 5 }],
      },
    ]);
  });
});
