import { BehaviorSubject, of, switchMap, throwError, type Observable } from 'rxjs';
import type { StoredFilter } from '../lib/filter/stored-filter.js';
import { createSeededRandom } from '../lib/model/seeded-random.js';
import type { ViewFilter } from '../lib/model/view.js';
import type { VisibleObjects } from '../lib/server/index.js';

/** A scope as an app writes it, and the same as filters, written for the simulator. */
export interface WorldScope {
  readonly visible: VisibleObjects;
  readonly filters: readonly ViewFilter[];
}

const createScope = (visible: VisibleObjects, cards: StoredFilter, entries: StoredFilter): WorldScope => ({
  visible,
  filters: [
    { id: 0, type: 'Card', filter: cards },
    { id: 0, type: 'Entry', filter: entries },
  ],
});

/** The scope of a user who sees everything. */
export const wholeScope = createScope(true, true, true);
/** The scope of a user who sees nothing. */
const emptyScope = createScope({}, false, false);

/** Scopes that hide some objects. */
const partScopes: readonly WorldScope[] = [
  createScope({ Card: { list: 'a' }, Entry: true }, ['in', 'list', 'a'], true),
  createScope({ Card: { list: { $in: ['a', 'b'] } } }, ['in', 'list', 'a', 'b'], false),
  createScope({ Card: { list: { $ne: 'c' } }, Entry: true }, ['not', ['in', 'list', 'c']], true),
  createScope({ Card: { n: { $gt: 0 } }, Entry: { counted: true } }, ['gt', 'n', 0], ['in', 'counted', true]),
  createScope({ Card: { n: { $in: [null, 1] } } }, ['in', 'n', null, 1], false),
  createScope(
    { Card: { $or: [{ list: 'b' }, { $key: { $in: ['k0', 'k1', 'k2'] } }] }, Entry: {} },
    ['or', ['in', 'list', 'b'], ['in', '', 'k0', 'k1', 'k2']],
    true,
  ),
  createScope({ Card: true, Entry: { bad: true } }, true, ['in', 'bad', true]),
  createScope({ Entry: { counted: false } }, false, ['in', 'counted', false]),
];

/** The change of a scope. `any`: to one that is drawn. `whole`: everything is visible. `empty`: nothing is. */
export type ScopeChange = 'any' | 'whole' | 'empty';

const drawScope = (change: ScopeChange, random: () => number): WorldScope => {
  if (change !== 'any') return change === 'whole' ? wholeScope : emptyScope;
  return partScopes[Math.floor(random() * partScopes.length)]!;
};

/** A scope that was in force, and the virtual time at which it began. */
interface ScopeTime {
  readonly from: number;
  readonly scope: WorldScope;
}

/** The objects that the users of a world may see. Users who never got a scope see everything. */
export interface UserScopes {
  /** The answers of the server's `scope`. Errors while it fails. */
  readonly visible$: (user: string) => Observable<VisibleObjects>;
  /** The filters that are in force. */
  readonly filtersOf: (user: string) => WorldScope['filters'];
  /** The filters that were in force at some time since `from`. */
  readonly filtersSince: (user: string, from: number) => readonly WorldScope['filters'][];
  readonly change: (user: string, change: ScopeChange, seed: number) => void;
  /** Lets the server's `scope` fail for a user, or work again. */
  readonly fail: (user: string, doesFail: boolean) => void;
}

export interface UserScopesOptions {
  /** Virtual time. */
  readonly now: () => number;
  /** The users who may have a scope. */
  readonly users: readonly string[];
  readonly seed: number;
  /** Called before a scope is in force. */
  readonly changing: (user: string, filters: WorldScope['filters']) => void;
}

/** The error of a `scope` that fails. */
export class ScopeFailedError extends Error {
  override readonly name = 'ScopeFailedError';
}

export const createUserScopes = ({ now, users, seed, changing }: UserScopesOptions): UserScopes => {
  const random = createSeededRandom(seed);
  const all = new Map(
    users.map((user) => {
      const scope = drawScope('any', random);
      const times: ScopeTime[] = [{ from: 0, scope }];
      return [user, { scope$: new BehaviorSubject(scope), fails$: new BehaviorSubject(false), times }] as const;
    }),
  );
  return {
    visible$: (user) => {
      const found = all.get(user);
      if (found === undefined) return of(wholeScope.visible);
      return found.fails$.pipe(
        switchMap((fails) => (fails ? throwError(() => new ScopeFailedError('no database')) : found.scope$)),
        switchMap(({ visible }) => of(visible)),
      );
    },
    filtersOf: (user) => (all.get(user)?.scope$.value ?? wholeScope).filters,
    filtersSince: (user, from) => {
      const times = all.get(user)?.times ?? [{ from: 0, scope: wholeScope }];
      return times.filter((_, at) => (times[at + 1]?.from ?? Infinity) >= from).map(({ scope }) => scope.filters);
    },
    change: (user, change, drawn) => {
      const found = all.get(user);
      if (found === undefined) return;
      const scope = drawScope(change, createSeededRandom(drawn));
      found.times.push({ from: now(), scope });
      changing(user, scope.filters);
      found.scope$.next(scope);
    },
    fail: (user, doesFail) => all.get(user)?.fails$.next(doesFail),
  };
};

/** Returns the filters for what subscriptions and a scope select together. */
export const limitFilters = (filters: readonly ViewFilter[], scope: WorldScope['filters']): readonly ViewFilter[] =>
  filters.flatMap(({ id, type, filter }) =>
    scope
      .filter((each) => each.type === type)
      .map((each): ViewFilter => ({ id, type, filter: ['and', filter, each.filter] })),
  );
