import { concat, defer, of, tap } from 'rxjs';
import { repeatWhile, runAction } from '../../lib/model/operators.js';
import { marbles } from '../../lib/testing/marbles.js';

describe('repeatWhile', () => {
  it(
    'subscribes again while the predicate holds, and completes then',
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      let times = 0;
      const source = cold('        -a|      ');
      const subscriptions = [
        '                          ^-!      ',
        '                          --^-!    ',
        '                          ----^-!  ',
      ];
      const expected = '           -a-a-a|  ';
      const repeated$ = source.pipe(
        tap({ complete: () => (times += 1) }),
        repeatWhile(() => times < 3, scheduler),
      );
      expectObservable(repeated$).toBe(expected);
      expectSubscriptions(source.subscriptions).toBe(subscriptions);
    }),
  );

  it(
    'asks the predicate after a turn of the scheduler, not at the completion',
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      let mayRepeat = true;
      const source = cold('        -a|');
      const repeated$ = source.pipe(
        tap({ complete: () => scheduler.schedule(() => (mayRepeat = false)) }),
        repeatWhile(() => mayRepeat, scheduler),
      );
      expectObservable(repeated$).toBe('-a|');
      expectSubscriptions(source.subscriptions).toBe('^-!');
    }),
  );

  it(
    'subscribes no more after an error or when it is unsubscribed',
    marbles(({ cold, expectObservable, expectSubscriptions, scheduler }) => {
      const always = repeatWhile<string>(() => true, scheduler);
      const failing = cold('       -#');
      expectObservable(failing.pipe(always)).toBe('-#');
      expectSubscriptions(failing.subscriptions).toBe('^!');
      const source = cold('        -a|');
      const unsubscription = '     ----!';
      expectObservable(source.pipe(always), unsubscription).toBe('-a-a');
      expectSubscriptions(source.subscriptions).toBe(['^-!', '--^-!']);
    }),
  );
});

describe('runAction', () => {
  it(
    'acts once per subscription, at that moment, and only completes',
    marbles(({ cold, expectObservable, flush }) => {
      const calls: string[] = [];
      const action$ = runAction(() => calls.push('called'));
      expect(calls).toEqual([]);
      expectObservable(
        concat(
          cold('--a|'),
          action$,
          defer(() => of(calls.length.toString())),
        ),
      ).toBe('--a(1|)');
      flush();
      expect(calls).toEqual(['called']);
    }),
  );

  it(
    'errors with what the action throws',
    marbles(({ expectObservable }) => {
      const failing$ = runAction(() => {
        throw new Error('full');
      });
      expectObservable(failing$).toBe('#', undefined, new Error('full'));
    }),
  );
});
