import { map, of } from 'rxjs';
import { InvalidArgumentError, SubscriptionError } from '../../lib/index.js';
import { fakeSubscription, marbles, subscriptionLetters } from '../../lib/testing/index.js';

describe('a fake subscription', () => {
  it(
    'shows the states that a diagram gives, and its wait ends with `complete`',
    marbles(({ cold, expectObservable }) => {
      const inbox = fakeSubscription(cold('p-b-c', subscriptionLetters), { name: 'inbox' });
      expectObservable(inbox.state$, '^ 9ms !').toBe('p-b-c', subscriptionLetters);
      expectObservable(inbox.sync$.pipe(map(() => 'x'))).toBe('----(x|)');
    }),
  );

  it(
    'errors as a real one does after a rejection and a removal',
    marbles(({ cold, expectObservable }) => {
      const rejection = { code: 'too-many-types', text: 'Too many.' };
      const parts = { name: 'inbox', type: 'Note', rejection };
      expectObservable(fakeSubscription(cold('p-r', subscriptionLetters), parts).sync$).toBe(
        '--#',
        {},
        new SubscriptionError(parts, rejection),
      );
      expectObservable(fakeSubscription(cold('p-s', subscriptionLetters)).sync$).toBe(
        '--#',
        {},
        new SubscriptionError({ name: null, type: 'Task' }, null),
      );
    }),
  );

  it(
    'is removed by `unsubscribe`, and remembers it',
    marbles(({ cold, expectObservable }) => {
      const inbox = fakeSubscription();
      expectObservable(inbox.state$).toBe('p---(s|)', subscriptionLetters);
      const removed$ = cold('----(u|)').pipe(map(() => inbox.unsubscribe() instanceof Promise));
      expectObservable(removed$).toBe('----(u|)', { u: true });
      expectObservable(of(0).pipe(map(() => inbox.isUnsubscribed))).toBe('(f|)', { f: false });
      cold('-----x').subscribe(() => expect(inbox.isUnsubscribed).toBe(true));
    }),
  );

  it('accepts no other argument', () => {
    expect(() => fakeSubscription('pending' as never)).toThrow(InvalidArgumentError);
    expect(() => fakeSubscription(of('pending'), { names: 1 } as never)).toThrow(InvalidArgumentError);
  });
});
