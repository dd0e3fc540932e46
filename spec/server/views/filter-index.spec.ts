import fc from 'fast-check';
import { canonicalFilterOf } from '../../../lib/filter/canonical-filter.js';
import type { FilterTest } from '../../../lib/filter/filter-test.js';
import type { StoredFilter } from '../../../lib/filter/stored-filter.js';
import { textOf, type Value } from '../../../lib/model/value.js';
import type { TouchChange, WatchedValues } from '../../../lib/server/history/touches.js';
import type { WatchedType } from '../../../lib/server/history/watched-properties.js';
import { FilterIndex } from '../../../lib/server/views/filter-index.js';
import { ServedView } from '../../../lib/server/views/served-view.js';
import { runOptions } from '../../merge/arbitrary-operations.js';

const names = ['p', 'q', 'r'] as const;
const watched: WatchedType = { since: 0, properties: names.map((name) => ({ name, since: 0, isIndexed: true })) };
const keys = ['k', 'l', 7] as const;
const values: readonly Value[] = [null, true, false, 0, 1, 'a', 'b', '\0', new Uint8Array([1]), new Uint8Array([2])];

const anyValue = fc.constantFrom(...values);
const { filter: anyFilter } = fc.letrec<{ filter: StoredFilter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    fc
      .tuple(fc.constantFrom(...names), fc.array(anyValue, { minLength: 1, maxLength: 3 }))
      .map(([name, all]): StoredFilter => ['in', name, ...all]),
    fc.constantFrom(...keys).map((key): StoredFilter => ['in', '', key]),
    fc
      .tuple(fc.constantFrom('gt' as const, 'lte' as const), fc.constantFrom(...names), anyValue)
      .map(([operator, name, value]): StoredFilter => [operator, name, value]),
    fc.constantFrom<StoredFilter>(true, false),
    tie('filter').map((inner): StoredFilter => ['not', inner]),
    fc
      .tuple(fc.constantFrom('and' as const, 'or' as const), fc.array(tie('filter'), { minLength: 2, maxLength: 3 }))
      .map(([operator, all]): StoredFilter => [operator, ...all]),
  ),
}));

const viewOf = (...filters: readonly (readonly [type: string, filter: StoredFilter])[]): ServedView =>
  new ServedView(
    filters.map(([type, given], id) => {
      const filter = canonicalFilterOf(given);
      return { id, type, filter, text: textOf(filter), properties: [] };
    }),
  );

const anyView = fc
  .array(fc.tuple(fc.constantFrom('Task', 'Task', 'Note'), anyFilter), { maxLength: 3 })
  .map((all) => viewOf(...all));

const anyValues: fc.Arbitrary<WatchedValues | null> = fc.option(fc.tuple(anyValue, anyValue, anyValue), { freq: 5 });

describe('the index of filters', () => {
  it('finds the groups whose view has an object before or after a change, and no others', () => {
    let count = 0;
    fc.assert(
      fc.property(
        fc.array(fc.record({ view: anyView, isRemoved: fc.boolean() }), { maxLength: 12 }),
        fc.array(
          fc.record({
            key: fc.constantFrom(...keys),
            before: anyValues,
            after: fc.option(anyValues, { nil: undefined }),
          }),
          { minLength: 5, maxLength: 5 },
        ),
        (groups, changes) => {
          const index = new FilterIndex<number>();
          const added = groups.map(({ view }, at) => index.add(at, view));
          groups.forEach(({ isRemoved }, at) => {
            if (isRemoved) index.remove(added[at]!);
          });
          const left = [...groups.keys()].filter((at) => !groups[at]!.isRemoved);
          for (const type of ['Task', 'Note'])
            expect(index.hasType(type)).toBe(left.some((at) => groups[at]!.view.types.has(type)));
          for (const { key, before, after = before } of changes) {
            const name = { type: 'Task', key };
            const change: TouchChange = { before, after };
            const found = new Set<number>();
            index.addConcerned(name, change, watched, found);
            const expected = left.filter((at) =>
              [before, after].some((each) => groups[at]!.view.hasValues(name, each, watched)),
            );
            count += expected.length;
            expect([...found].sort((a, b) => a - b)).toEqual(expected);
          }
        },
      ),
      runOptions(1_000),
    );
    expect(count).toBeGreaterThan(500);
  });

  it('tests only filters that share a value with the object, by the condition that few filters share', () => {
    const index = new FilterIndex<number>();
    let tested = 0;
    const add = (group: number, filter: StoredFilter): void => {
      const view = viewOf(['Task', filter]);
      const tests = view.types.get('Task')!.tests as FilterTest[];
      const [test] = tests;
      tests[0] = (read) => {
        tested += 1;
        return test!(read);
      };
      index.add(group, view);
    };
    const countFor = (...given: readonly Value[]): number => {
      tested = 0;
      const found = new Set<number>();
      index.addConcerned({ type: 'Task', key: 'k' }, { before: null, after: given }, watched, found);
      return tested;
    };
    for (let group = 0; group < 100; group += 1) {
      add(group, ['and', ['in', 'p', false, null], ['in', 'q', 'same'], ['in', 'r', `list ${group}`]]);
      add(group + 100, ['or', ['and', ['in', 'q', 'other'], ['in', 'r', group]], ['in', 'r', -1 - group]]);
      add(group + 200, ['in', 'r', `list ${group}`]);
    }
    expect(countFor(null, 'none', 'list 7')).toBeLessThan(4);
    expect(countFor(false, 'same', 'none')).toBeLessThan(4);
    expect(countFor(false, 'other', 7)).toBeLessThan(4);
    add(1_000, ['not', ['in', 'r', 'list 7']]);
    add(1_001, ['gt', 'r', 'a']);
    expect(countFor(null, null, 'none')).toBe(2);
  });
});
