import fc from 'fast-check';
import { createBatchOwnership } from '../../lib/merge/batch-ownership.js';
import { sumOf } from '../../lib/merge/counter.js';
import { joinStates } from '../../lib/merge/join-states.js';
import { applyOperation, type ObjectState } from '../../lib/merge/object-state.js';
import { anySteps, anyWildOperations, playSteps, shuffled, stateOf, writtenTo } from './arbitrary-histories.js';
import { create, createStamp, remove, runOptions, type Stamped, update } from './arbitrary-operations.js';
import { anySeed, deepFreeze, expectEqual, replicas, restoreState } from './replica-world.js';

const empty: ObjectState = { born: null, died: null, values: {}, laterStamps: null, collections: null };

/** A part of a history: what some device may have received so far. */
type Parts = readonly (readonly Stamped[])[];

const statesOf = (parts: Parts, random: () => number): readonly ObjectState[] =>
  parts.map((part) => deepFreeze(stateOf(shuffled(part, random)) ?? empty));

/** Returns the operations of all parts, in the order of the history. */
const unionOf = (all: readonly Stamped[], parts: Parts): readonly Stamped[] =>
  all.filter((each) => parts.some((part) => part.includes(each)));

/** Returns parts of operations, each with about two thirds of them. */
const somePartsOf = (all: readonly Stamped[], count: number, random: () => number): Parts =>
  Array.from({ length: count }, () => all.filter(() => random() % 3 > 0));

/** Expects of three states that joining them is like applying the operations of all. */
const expectLaws = (all: readonly Stamped[], parts: Parts, random: () => number): void => {
  const [a, b, c] = statesOf(parts, random) as [ObjectState, ObjectState, ObjectState];
  const both = stateOf(unionOf(all, parts.slice(0, 2))) ?? empty;
  expectEqual(joinStates(a, b), both);
  expectEqual(joinStates(b, a), both);
  expectEqual(joinStates(joinStates(a, b), c), stateOf(unionOf(all, parts)) ?? empty);
  expectEqual(joinStates(a, joinStates(b, c)), joinStates(joinStates(a, b), c));
  expect(joinStates(a, restoreState(a))).toBe(a);
  const joined = joinStates(a, b);
  expect(joinStates(joined, b)).toBe(joined);
  expect(joinStates(joined, restoreState(a))).toBe(joined);
};

describe('joining two states of an object', () => {
  it('invariant 14: gives the state after the operations of both, whichever devices received them and in whatever order', () => {
    fc.assert(
      fc.property(anySteps, anySeed, (given, random) => {
        const { posted } = playSteps(given);
        // Of each writer a device has the first changesets, as a history gives them.
        const counts = [0, 1, 2].map(() => Object.fromEntries(replicas.map((replica) => [replica, random() % 9])));
        const firstOf = (count: Record<string, number>) =>
          posted.filter(
            (each) => posted.filter((one) => one.origin === each.origin).indexOf(each) < (count[each.origin] ?? 0),
          );
        for (const key of [1, 2]) {
          const all = writtenTo({ posted }, key);
          const parts = counts.map((count) => {
            const known = writtenTo({ posted: firstOf(count) }, key);
            return all.filter((each) => known.includes(each));
          });
          expectLaws(all, parts, random);
        }
      }),
      runOptions(2_000),
    );
  });

  it('gives the same for operations without increments of which each state has any part', () => {
    fc.assert(
      fc.property(anySteps, anySeed, (given, random) => {
        const all = writtenTo(playSteps(given), 1).filter(({ operation }) => operation.kind !== 'increment');
        expectLaws(all, somePartsOf(all, 3, random), random);
      }),
      runOptions(2_000),
    );
  });

  it('gives the same for operations that no correct writer makes', () => {
    fc.assert(
      fc.property(anyWildOperations, anySeed, (all, random) => {
        expectLaws(all, somePartsOf(all, 3, random), random);
      }),
      runOptions(2_500),
    );
  });

  it('gives one result in either order also for counters with gaps that only wrong replicas have', () => {
    fc.assert(
      fc.property(anySteps, anySeed, (given, random) => {
        const all = writtenTo(playSteps(given), 1);
        const [a, b] = statesOf(somePartsOf(all, 2, random), random) as [ObjectState, ObjectState];
        const joined = joinStates(a, b);
        expectEqual(joinStates(b, a), joined);
        expect(joinStates(joined, a)).toBe(joined);
        expect(joinStates(joined, b)).toBe(joined);
      }),
      runOptions(1_000),
    );
  });
});

describe('joining a state that a device has with an earlier or later one of the server', () => {
  const whole = stateOf([create({ x: 1, y: 2 }, createStamp(1)), update({ x: 3 }, createStamp(4, 'b'))])!;

  it('changes nothing when the state of the server is the earlier one', () => {
    const earlier = stateOf([create({ x: 1, y: 2 }, createStamp(1))])!;
    expect(joinStates(whole, earlier)).toBe(whole);
    expect(joinStates(earlier, whole)).toEqual(whole);
  });

  it('lets a delete win over everything before it, and not over a later create', () => {
    const dead = stateOf([remove(createStamp(5, 'c'))])!;
    expect(joinStates(whole, dead)).toEqual({ ...empty, died: createStamp(5, 'c') });
    const again = stateOf([create({ x: 7 }, createStamp(6, 'a'))])!;
    expect(joinStates(joinStates(again, whole), dead)).toEqual({
      ...empty,
      born: createStamp(6, 'a'),
      died: createStamp(5, 'c'),
      values: { x: 7 },
    });
  });

  it('counts an increment once that both states have, and each that only one has', () => {
    const increment = (time: number, after: number | null): Stamped => ({
      operation: {
        kind: 'increment',
        ...{ type: 'T', key: 1, property: 'votes', by: 10 ** (time - 2), born: createStamp(1) },
        after: after === null ? null : { time: after, count: 0 },
      },
      stamp: createStamp(time),
    });
    const steps = [create({}, createStamp(1)), increment(2, null), increment(3, 2), increment(4, 3)];
    const votesOf = (state: ObjectState): number => sumOf(state.collections?.['votes']?.counter ?? []);
    const [early, late] = [stateOf(steps.slice(0, 3))!, stateOf(steps)!];
    expect(votesOf(joinStates(early, late))).toBe(111);
    expect(votesOf(joinStates(late, early))).toBe(111);
    // A rejected increment is missing on the server: its chain is in two parts there.
    const parted = stateOf([steps[0]!, steps[1]!, steps[3]!])!;
    expect(joinStates(parted, early)).toEqual(late);
    expect(joinStates(early, parted)).toEqual(late);
  });

  it('decides between two edits with one stamp, which no correct replica writes, alike in either order', () => {
    const target = { type: 'T', key: 1, property: 'list' };
    const place = { run: ['a0', 'a'], key: 'a0' };
    const insert: Stamped = {
      operation: { kind: 'insert', ...target, ...{ run: place.run, keys: ['a0'], values: [1] } },
      stamp: createStamp(2),
    };
    const element = { ...createStamp(2), index: 0 };
    const edit = (key: string, value: number): ObjectState => {
      const position = { run: place.run, key };
      const stamp = createStamp(3, 'b');
      const move: Stamped = { operation: { kind: 'move', ...target, element, position }, stamp };
      const replace: Stamped = {
        operation: { kind: 'replace', ...target, element, value },
        stamp: createStamp(4, 'b'),
      };
      return stateOf([create({}, createStamp(1)), insert, move, replace])!;
    };
    const [a, b] = [edit('a1', 5), edit('a2', 4)];
    const [joined] = joinStates(a, b).collections?.['list']?.list.elements ?? [];
    expect(joined).toMatchObject({ position: { key: 'a2' }, value: 5 });
    expect(joinStates(b, a)).toEqual(joinStates(a, b));
  });

  it('leaves a state untouched whose batch may still change it in place', () => {
    const batch = createBatchOwnership();
    const put = (key: string): Stamped['operation'] => ({
      kind: 'put',
      ...{ type: 'T', key: 1, property: 'tags', entries: [[key, 1]] },
    });
    const first = applyOperation(whole, put('k'), createStamp(7), batch);
    const joined = joinStates(first, applyOperation(whole, put('l'), createStamp(8)));
    applyOperation(first, put('m'), createStamp(9), batch);
    expect([...(joined.collections?.['tags']?.entries.keys() ?? [])].sort()).toEqual(['k', 'l']);
  });
});
