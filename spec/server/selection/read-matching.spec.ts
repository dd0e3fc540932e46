import fc from 'fast-check';
import { EMPTY, firstValueFrom } from 'rxjs';
import { systemClock } from '../../../lib/clock.js';
import { canonicalFilterOf } from '../../../lib/filter/canonical-filter.js';
import { createFilterTest } from '../../../lib/filter/filter-test.js';
import { keyName, kindOf, type StoredFilter } from '../../../lib/filter/stored-filter.js';
import { applyOperation, isAlive, type ObjectState, propertyValueOf } from '../../../lib/merge/object-state.js';
import { limits } from '../../../lib/model/limits.js';
import { objectTextOf, parseObjectText } from '../../../lib/model/object-key.js';
import { createHeadState, type HeadState } from '../../../lib/server/history/head-state.js';
import type { History } from '../../../lib/server/history/history.js';
import { decodeObjectState } from '../../../lib/server/history/stored-objects.js';
import { createSelection, type Selection } from '../../../lib/server/selection/read-matching.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import { expectEqual, restoreState } from '../../merge/replica-world.js';
import {
  advance,
  anyChange,
  anyIndexedValue,
  append,
  buildAll,
  type Change,
  keys,
  openTeam,
  operationOf,
  properties,
  stampOf,
  watch,
} from '../history/indexed-history.js';

const type = 'A';

const anyOperand = fc.oneof(
  { weight: 4, arbitrary: anyIndexedValue.filter((value) => kindOf(value) !== 'other') },
  { weight: 1, arbitrary: fc.constantFrom(...keys, '', 'x'.repeat(300), '\ud800', 1.5) },
);
const anyProperty = fc.constantFrom(...properties, ...properties, keyName);
const anyFilter: fc.Arbitrary<StoredFilter> = fc
  .letrec<{ filter: StoredFilter }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3, depthSize: 'small' },
      fc
        .tuple(anyProperty, fc.array(anyOperand, { minLength: 1, maxLength: 4 }))
        .map(([name, all]): StoredFilter => ['in', name, ...all]),
      fc
        .tuple(fc.constantFrom('gt', 'gte', 'lt', 'lte'), anyProperty, anyOperand)
        .map(([operator, name, value]): StoredFilter => [operator, name, value]),
      fc
        .tuple(fc.constantFrom('and', 'or'), fc.array(tie('filter'), { minLength: 1, maxLength: 3 }))
        .map(([operator, all]): StoredFilter => [operator, ...all]),
      tie('filter').map((filter): StoredFilter => ['not', filter]),
    ),
  }))
  .filter.map((filter) => canonicalFilterOf(filter));

/** Creates what an open realm has for selections. */
const openSelection = (history: History): { readonly selection: Selection; readonly headState: HeadState } => {
  const projector = { lag: () => 0, catchUpTo: () => EMPTY };
  const headState = createHeadState({ history, projector, clock: systemClock, lagBytesMax: Infinity });
  return { selection: createSelection({ history, headState }), headState };
};

/** The objects of a realm by their texts, folded from its changes. */
type World = Map<string, ObjectState>;

const applyTo = (world: World, changes: readonly Change[], head: number): void => {
  changes.forEach((change, at) => {
    const text = objectTextOf(change.type, change.key);
    world.set(text, applyOperation(world.get(text), operationOf(change), stampOf(change, head + at + 1)));
  });
};

const isMatch = (filter: StoredFilter, text: string, state: ObjectState): boolean => {
  const name = parseObjectText(text);
  const read = (property: string) => (property === keyName ? name.key : (propertyValueOf(state, property) ?? null));
  return name.type === type && isAlive(state) && createFilterTest(filter)(read);
};

/** Returns the first position of each plan that finds all objects of a filter. */
const startsOf = (selection: Selection, filter: StoredFilter): readonly string[] => {
  const numbers = Array.from({ length: 6 }, (_, at) => at);
  const choices = Array.from({ length: 64 }, (_, set) => numbers.filter((at) => (set >> at) % 2 === 1).join('.'));
  return ['all', ...choices]
    .map((choice) => `${choice}/0/`)
    .filter((position) => selection.resumePlan(type, filter, position) !== null);
};

describe('the objects that match a filter', () => {
  const { pageChangesetsMax, pageBytesMax } = limits;
  const { selectionPages } = serverLimits;
  const small = limits as { pageChangesetsMax: number; pageBytesMax: number };
  beforeEach(() => {
    Object.assign(serverLimits, { selectionPages: 1 }); // So that a page can have few objects.
  });
  afterEach(() => {
    Object.assign(small, { pageChangesetsMax, pageBytesMax });
    Object.assign(serverLimits, { selectionPages });
  });

  it('are read once by each plan, also with changes and restarts between its pages, and only as they are then', async () => {
    const plans = new Set<string>();
    let found = 0;
    const changesets = fc.array(anyChange, { minLength: 20, maxLength: 60 });
    const between = fc.array(
      fc.record({
        changes: fc.array(anyChange, { maxLength: 2 }),
        isAdvanced: fc.boolean(),
        isAsked: fc.boolean(),
        isRestarted: fc.boolean(),
        isQuiet: fc.constantFrom(true, true, false),
      }),
      { minLength: 1, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(
        changesets,
        fc.array(anyChange, { maxLength: 4 }),
        fc.subarray([...properties], { minLength: 1 }),
        anyFilter,
        between,
        fc.record({ choice: fc.nat(), isBuilt: fc.constantFrom(true, true, true, false), isCutByBytes: fc.boolean() }),
        async (stored, recent, watched, filter, acts, { choice, isBuilt, isCutByBytes }) => {
          Object.assign(
            small,
            isCutByBytes ? { pageBytesMax: 1, pageChangesetsMax: 20 } : { pageBytesMax, pageChangesetsMax: 3 },
          );
          const disk = memoryStorage();
          let history = await openTeam(disk);
          const world: World = new Map();
          let { selection, headState } = openSelection(history);
          const change = async (changes: readonly Change[]): Promise<void> => {
            applyTo(world, changes, history.log.head);
            const recorded = await append(history, changes);
            headState.appended(
              recorded,
              changes.map((each) => ({ operations: [operationOf(each)] })),
            );
          };
          const move = async (): Promise<void> => {
            await advance(history);
            headState.moved(history.projection.cursor.version);
          };
          await change(stored);
          while (history.projection.cursor.version < history.log.head) await move();
          await watch(history, type, watched);
          if (isBuilt) await buildAll(history);
          await change(recent);
          const touched = new Set(recent.map(({ type: other, key }) => objectTextOf(other, key)));
          const starts = startsOf(selection, filter);
          if (filter === false) return;
          expect(starts).toContain('all/0/');
          let position: string | null = starts[choice % starts.length] ?? null;
          const read: string[] = [];
          for (let at = 0; position !== null; at += 1) {
            const plan = selection.resumePlan(type, filter, position)!;
            plans.add(plan.scans.map(({ kind }) => kind).join());
            const page = await firstValueFrom(selection.readMatching(plan, position));
            for (const [text, bytes] of page.rows) {
              const state = decodeObjectState(text, bytes);
              expectEqual(restoreState(state), restoreState(world.get(text)!));
              expect(isMatch(filter, text, state)).toBe(true);
              read.push(text);
            }
            ({ position } = page);
            const act = acts[at % acts.length]!;
            if (!act.isQuiet && at < 20) {
              await change(act.changes);
              act.changes.forEach(({ type: other, key }) => touched.add(objectTextOf(other, key)));
              if (act.isAdvanced) await move();
            }
            // As `permit` does: from now on the states are known.
            if (act.isAsked) await firstValueFrom(headState.readStates(world.keys()));
            if (!act.isRestarted) continue;
            history = await openTeam(disk);
            ({ selection, headState } = openSelection(history));
          }
          const expected = [...world].filter(([text, state]) => !touched.has(text) && isMatch(filter, text, state));
          found += expected.length;
          expect(read.filter((text) => !touched.has(text)).sort()).toEqual(expected.map(([text]) => text).sort());
        },
      ),
      runOptions(600),
    );
    expect(found).toBeGreaterThan(300);
    for (const plan of ['type', 'keys', 'index', 'index,index']) expect([...plans]).toContain(plan);
  }, 60_000);
});
