import { Subject, Subscription, type Observable } from 'rxjs';
import type { User, VisibleObjects } from '../../../lib/server/index.js';
import { ScopeWatch } from '../../../lib/server/scope/scope-watch.js';
import { scopeTextOf } from '../../../lib/server/scope/scope.js';

const all: VisibleObjects = true;
const some: VisibleObjects = { Task: { team: 'x' } };
const someText = scopeTextOf(new Map([['Task', ['in', 'team', 'x']]]));

/** A watch whose calls of `scope` a spec answers. */
const createWatch = () => {
  const calls: { readonly user: User; readonly answers: Subject<VisibleObjects> }[] = [];
  const seen: string[] = [];
  const teardown = new Subscription();
  const watch = new ScopeWatch({
    scope: (user): Observable<VisibleObjects> => {
      const answers = new Subject<VisibleObjects>();
      calls.push({ user, answers });
      return answers;
    },
    ...{ schemaOf: () => null, realm: 'team', teardown },
    changed: (filters) => seen.push(scopeTextOf(filters)),
    failed: (thrown) => seen.push(String(thrown)),
  });
  const begin = (user: User): Subscription =>
    watch.begin(user).subscribe({
      next: (filters) => seen.push(`first ${scopeTextOf(filters)}`),
      error: (thrown: unknown) => seen.push(`first ${String(thrown)}`),
    });
  /** Numbers of the calls whose answers are subscribed. */
  const live = (): readonly number[] => calls.flatMap(({ answers }, at) => (answers.observed ? [at] : []));
  return { watch, begin, calls, seen, teardown, live };
};

const [ann, later, latest]: readonly [User, User, User] = [
  { id: 'ann', claims: { n: 1 } },
  { id: 'ann', claims: { n: 2 } },
  { id: 'ann', claims: { n: 3 } },
];

describe('the watch of a scope', () => {
  it('listens to the answers of one call, and keeps those of the one before until a later one answers', () => {
    const { watch, begin, calls, seen, live } = createWatch();
    begin(ann);
    calls[0]?.answers.next(all);
    watch.renew(later);
    calls[0]?.answers.next(some);
    expect([live(), seen]).toEqual([
      [0, 1],
      ['first true', someText],
    ]);
    watch.renew(latest);
    expect(live()).toEqual([0, 2]);
    calls[2]?.answers.next(all);
    expect([live(), seen.slice(2)]).toEqual([[2], ['true']]);
  });

  it('calls nothing again for the user of the same token', () => {
    const { watch, begin, calls } = createWatch();
    begin(ann);
    watch.renew(ann);
    watch.renew(later);
    watch.renew(later);
    expect(calls.map(({ user }) => user)).toEqual([ann, later]);
  });

  it('begins with the user of a token that came before', () => {
    const { watch, begin, calls, seen } = createWatch();
    watch.renew(later);
    begin(ann);
    expect(calls.map(({ user }) => user)).toEqual([later]);
    calls[0]?.answers.next(some);
    expect(seen).toEqual([`first ${someText}`]);
  });

  it('passes errors on, and answers that are no scope, with the path to what is wrong', () => {
    const wrong: readonly (readonly [unknown, string])[] = [
      ['all', 'scope must be true, or a record of filters by the names of types, received "all".'],
      [{ Task: { team: { $regex: 'x' } } }, 'scope: Task.team.$regex cannot be part of a subscription.'],
      [{ Task: 7 }, 'scope: Task must be a record, received 7.'],
      [{ Task: { team: Symbol.iterator } }, 'scope: Task.team must be null, a boolean,'],
    ];
    for (const [given, text] of wrong) {
      const { begin, calls, seen } = createWatch();
      begin(ann);
      calls[0]?.answers.next(given as VisibleObjects);
      expect(seen.join()).toContain(text);
    }
    const { begin, calls, seen, live } = createWatch();
    begin(ann);
    calls[0]?.answers.next(all);
    calls[0]?.answers.error(new Error('no database'));
    expect([seen, live()]).toEqual([['first true', 'Error: no database'], []]);
  });

  it('releases everything with the session', () => {
    const { watch, begin, calls, teardown, live } = createWatch();
    begin(ann);
    calls[0]?.answers.next(all);
    watch.renew(later);
    teardown.unsubscribe();
    expect(live()).toEqual([]);
  });
});
