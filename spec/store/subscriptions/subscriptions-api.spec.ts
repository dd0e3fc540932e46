import { BehaviorSubject, concat, EMPTY, map, type Observable, of, take, throwError } from 'rxjs';
import { InvalidArgumentError, RealmClosedError, StorageError } from '../../../lib/model/errors.js';
import { checkSchema } from '../../../lib/model/schema.js';
import { editSubscriptions } from '../../../lib/store/subscriptions/edit-subscriptions.js';
import { SubscriptionError } from '../../../lib/store/subscriptions/subscription-error.js';
import { emptySet } from '../../../lib/store/subscriptions/subscription-set.js';
import {
  initialStatusOf,
  reduceSubscriptions,
  type SubscriptionEvent,
} from '../../../lib/store/subscriptions/subscription-state.js';
import { createSubscriptionsApi, type SubscriptionHandle } from '../../../lib/store/subscriptions/subscriptions-api.js';
import { marbles } from '../../../lib/testing/marbles.js';

const shapes = checkSchema({
  Task: { primaryKey: 'id', properties: { id: 'string', list: 'string' } },
  Note: { primaryKey: 'id', properties: { id: 'string' } },
});

const letters: Readonly<Record<string, string>> = {
  pending: 'p',
  bootstrapping: 'b',
  complete: 'c',
  rejected: 'r',
  removed: 's',
};
const lettersOf = map((state: string) => letters[state]);
const rejection = { code: 'too-many-properties', text: 'The filters name too many properties.' };

/** `stored$`: what becomes of each change. */
const createWorld = (stored$ = EMPTY) => {
  const status$ = new BehaviorSubject(initialStatusOf(emptySet, null));
  const apply = (event: SubscriptionEvent): void => status$.next(reduceSubscriptions(status$.value, event));
  const api = createSubscriptionsApi({
    status$,
    getStatus: () => status$.value,
    edit: (change) => {
      const edited = editSubscriptions(shapes, status$.value.set, 5, change);
      apply({ type: 'updated', set: edited.set });
      return { ...edited, stored$ };
    },
  });
  const version = (): number => status$.value.set.version;
  return {
    ...{ api, status$ },
    answer: (objects: number, ...rejected: readonly SubscriptionHandle[]) =>
      apply({
        ...{ type: 'answered', version: version(), objects },
        rejections: new Map(rejected.map(({ id }) => [id, rejection])),
      }),
    place: (...handles: readonly SubscriptionHandle[]) =>
      apply({ type: 'placed', placed: { version: version(), ids: new Set(handles.map(({ id }) => id)) } }),
  };
};

/** Performs the action of each letter of a diagram at its moment. */
const runAt = (cold: (diagram: string) => Observable<string>, diagram: string, acts: object): void => {
  cold(diagram).subscribe((letter) => (acts as Record<string, () => void>)[letter]?.());
};

describe('a subscription', () => {
  it(
    'is pending, then bootstrapping, then complete, and its wait emits and completes with the last',
    marbles(({ cold, expectObservable }) => {
      const { api, answer, place } = createWorld();
      const inbox = api.add('Task', { where: { list: 'inbox' } });
      runAt(cold, '-a-p', { a: () => answer(3), p: () => place(inbox) });
      expectObservable(inbox.state$.pipe(lettersOf), '^ 9ms !').toBe('pb-c');
      expectObservable(inbox.sync$.pipe(map(() => 'x'))).toBe('---(x|)');
      expectObservable(concat(inbox.sync$, of('y')).pipe(map((value) => value ?? 'x')), '-----^').toBe('-----(xy|)');
    }),
  );

  it(
    'stays complete while others are added and removed',
    marbles(({ cold, expectObservable }) => {
      const { api, place } = createWorld();
      const inbox = api.add('Task', { where: { list: 'inbox' } });
      place(inbox);
      runAt(cold, '-a-b', { a: () => api.add('Note'), b: () => api.update((edit) => edit.clear('Note')) });
      expectObservable(inbox.state$.pipe(lettersOf), '^ 9ms !').toBe('c');
      expectObservable(api.state$.pipe(lettersOf), '^ 9ms !').toBe('cp-----');
    }),
  );

  it(
    'is rejected alone, with the reason of the server',
    marbles(({ cold, expectObservable }) => {
      const { api, answer, place } = createWorld();
      const [inbox, notes] = [api.add('Task'), api.add('Note', {}, { name: 'notes' })];
      runAt(cold, '-a-p', { a: () => answer(1, notes), p: () => place(inbox) });
      expectObservable(notes.state$.pipe(lettersOf), '^ 9ms !').toBe('pr');
      expectObservable(notes.sync$).toBe('-#', {}, new SubscriptionError({ name: 'notes', type: 'Note' }, rejection));
      expectObservable(inbox.state$.pipe(lettersOf), '^ 9ms !').toBe('pb-c');
      expectObservable(api.state$.pipe(lettersOf), '^ 9ms !').toBe('pb-c');
      const codes$ = api.list$.pipe(map((all) => all.map(({ rejection: given }) => given?.code).join()));
      expectObservable(codes$.pipe(take(1)), '--^').toBe('--(l|)', { l: ',too-many-properties' });
    }),
  );

  it(
    'edge case 42: is removed for good when its name gets another query, and its streams end',
    marbles(({ cold, expectObservable }) => {
      const { api } = createWorld();
      const first = api.add('Task', { where: { list: 'inbox' } }, { name: 'list' });
      runAt(cold, '-a', { a: () => api.add('Task', { where: { list: 'today' } }, { name: 'list' }) });
      expectObservable(first.state$.pipe(lettersOf)).toBe('p(s|)');
      expectObservable(first.sync$).toBe('-#', {}, new SubscriptionError({ name: 'list', type: 'Task' }, null));
    }),
  );

  it(
    'is removed by `unsubscribe`, also one without a name, and a second time without an error',
    marbles(({ cold, expectObservable }) => {
      const { api } = createWorld();
      const [tasks, notes] = [api.add('Task'), api.add('Note')];
      runAt(cold, '-ab', { a: () => tasks.unsubscribe(), b: () => tasks.unsubscribe() });
      expectObservable(tasks.state$.pipe(lettersOf)).toBe('p(s|)');
      expectObservable(notes.state$.pipe(lettersOf), '^ 9ms !').toBe('p');
      expectObservable(api.list$.pipe(map((all) => all.map(({ type }) => type).join())), '^ 9ms !').toBe('ab', {
        a: 'Task,Note',
        b: 'Note',
      });
    }),
  );

  it(
    'waits with an error for a realm that is closed, or that cannot store it',
    marbles(({ cold, expectObservable }) => {
      const { api, status$ } = createWorld();
      const inbox = api.add('Task');
      runAt(cold, '-a', { a: () => status$.complete() });
      const codeOf = map(() => 'never');
      const closed = new RealmClosedError('The realm was closed before the objects of the subscription had arrived.');
      expectObservable(inbox.sync$.pipe(codeOf)).toBe('-#', {}, closed);
      expectObservable(api.sync$.pipe(codeOf)).toBe('-#', {}, closed);
      expectObservable(inbox.state$.pipe(lettersOf)).toBe('p|');
      const full = new StorageError('disk full');
      const other = createWorld(throwError(() => full)).api.add('Task');
      expectObservable(other.sync$.pipe(codeOf)).toBe('#', {}, full);
    }),
  );

  it('V8 invariant 12: is the same subscription for the same query, and a new version only where something changes', () => {
    const { api } = createWorld();
    const inbox = api.add('Task', { where: { list: 'inbox' } });
    expect(api.add('Task', { where: { list: { $in: ['inbox'] } } }).id).toBe(inbox.id);
    expect(api.version()).toBe(1);
    expect(() => api.add('Task', { where: { unknown: 1 } })).toThrow(InvalidArgumentError);
    expect(() => api.add('Other' as 'Task')).toThrow(InvalidArgumentError);
    expect(api.version()).toBe(1);
  });
});

describe('the wait for all subscriptions', () => {
  it(
    'waits for the set of the moment, and for a newer one instead when that takes over',
    marbles(({ cold, expectObservable }) => {
      const { api, place } = createWorld();
      const inbox = api.add('Task');
      runAt(cold, '-a-b', { a: () => api.add('Note'), b: () => place(inbox) });
      expectObservable(api.sync$.pipe(map(() => 'x'))).toBe('---(x|)');
    }),
  );
});
