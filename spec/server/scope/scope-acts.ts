import fc from 'fast-check';
import type { StoredFilter } from '../../../lib/filter/stored-filter.js';
import type { Operation } from '../../../lib/merge/operation.js';
import type { ViewFilter } from '../../../lib/model/view.js';
import type { VisibleObjects } from '../../../lib/server/index.js';
import { connectionActs, who, type ConnectionAct } from '../views/view-acts.js';

const types = ['Task', 'Task', 'Note'] as const;
const keys = ['k1', 'k2', 'k3', 'k4', 'k5', 7] as const;
const lists = ['a', 'b', 'c', null] as const;

const anyOperation: fc.Arbitrary<Operation> = fc
  .record({
    kind: fc.constantFrom('create', 'create', 'update', 'update', 'update', 'update', 'delete'),
    type: fc.constantFrom(...types),
    key: fc.constantFrom(...keys),
    values: fc.record(
      { list: fc.constantFrom(...lists), team: fc.constantFrom('x', 'y', 'z'), done: fc.boolean() },
      { requiredKeys: [] },
    ),
  })
  .map(({ kind, type, key, values }): Operation =>
    kind === 'delete' ? { kind, type, key } : { kind: kind as 'create', type, key, values },
  );

const anyStored: fc.Arbitrary<StoredFilter> = fc.oneof(
  fc.constantFrom(...lists).map((list): StoredFilter => ['in', 'list', list]),
  fc.constantFrom<StoredFilter>(true, true, ['in', 'done', true], ['not', ['in', 'list', 'a']], ['in', 'team', 'x']),
);
const anyFilters: fc.Arbitrary<readonly ViewFilter[]> = fc
  .array(fc.tuple(fc.constantFrom(...types), anyStored), { minLength: 1, maxLength: 3 })
  .map((all) => all.map(([type, filter], at): ViewFilter => ({ id: at + 1, type, filter })));

/** Scopes as an app writes them, and the same as filters, written by hand. */
export const scopes: readonly (readonly [VisibleObjects, readonly ViewFilter[]])[] = [
  [true, types.map((type): ViewFilter => ({ id: 0, type, filter: true }))],
  [{}, []],
  [{ Task: { team: 'x' } }, [{ id: 0, type: 'Task', filter: ['in', 'team', 'x'] }]],
  [
    { Task: { team: { $in: ['x', 'y'] } }, Note: true },
    [
      { id: 0, type: 'Task', filter: ['in', 'team', 'x', 'y'] },
      { id: 0, type: 'Note', filter: true },
    ],
  ],
  [{ Note: { $key: { $in: ['k1', 7] } } }, [{ id: 0, type: 'Note', filter: ['in', '', 'k1', 7] }]],
  [{ Task: { done: { $ne: true } }, Note: false }, [{ id: 0, type: 'Task', filter: ['not', ['in', 'done', true]] }]],
];

export type Act =
  | { readonly kind: 'write'; readonly who: number; readonly operations: readonly Operation[] }
  | { readonly kind: 'subscribe'; readonly who: number; readonly filters: readonly ViewFilter[] }
  | { readonly kind: 'scope'; readonly who: number; readonly scope: number }
  | ConnectionAct;

export const anyAct: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      who: fc.constantFrom(0, 1, 2, 2, 2),
      operations: fc.array(anyOperation, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('subscribe' as const), who, filters: anyFilters }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('scope' as const), who, scope: fc.nat({ max: scopes.length - 1 }) }),
  },
  ...connectionActs,
);

/** Both filters together: what a user sees of a subscription. */
export const limit = (filters: readonly ViewFilter[], scope: readonly ViewFilter[]): readonly ViewFilter[] =>
  filters.flatMap(({ id, type, filter }) =>
    scope
      .filter((each) => each.type === type)
      .map((each): ViewFilter => ({ id, type, filter: ['and', filter, each.filter] })),
  );
