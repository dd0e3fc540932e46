import { concat, interval, map, NEVER, of, timer, type Observable } from 'rxjs';
import { endOfTurn$ } from '../../lib/clock.js';
import { marbles, type MarbleHelpers, type MarbleOptions } from '../../lib/testing/index.js';
import { failureOf } from './test-kit.js';

const messageOf = (test: (helpers: MarbleHelpers) => void): string => failureOf(marbles(test)).message;
const nothing = undefined as unknown;

describe('a marble test that would pass for any behaviour', () => {
  it('fails for an expectation without an expected diagram, and points at it', () => {
    const silent = ({ cold, expectObservable }: MarbleHelpers): void => void expectObservable(cold('a'));
    const { name, message, stack } = failureOf(marbles(silent));
    expect([name, message]).toEqual(['MarbleError', 'An expectation is incomplete. Call its toBe or toEqual.']);
    expect(stack?.split('\n')[1]).toContain('marble-misuse.spec.ts');
    expect(messageOf(({ expectStates }) => void expectStates(NEVER))).toBe(message);
    expect(messageOf(({ cold, expectSubscriptions }) => void expectSubscriptions(cold('a').subscriptions))).toBe(
      message,
    );
  });

  const hourMs = 3_600_000;
  const fail = (): never => {
    throw new Error('not compared');
  };
  it.each<[string, (helpers: MarbleHelpers) => void]>([
    ['a timer', ({ scheduler }) => void timer(9 * hourMs, scheduler).subscribe(fail)],
    ['a piece of work', ({ scheduler }) => void scheduler.schedule(fail, 9 * hourMs)],
    [
      'one after the other',
      ({ scheduler }) =>
        void concat(timer(5 * hourMs, scheduler), timer(5 * hourMs, scheduler)).subscribe({ complete: fail }),
    ],
    ['silence', ({ expectObservable }) => expectObservable(NEVER, '540m !').toBe('-')],
    ['silence in a diagram', ({ expectObservable }) => expectObservable(NEVER).toBe('540m ')],
    ['a hot source', ({ hot }) => void hot('540m a').subscribe(fail)],
    ['a cold source', ({ cold, expectObservable }) => expectObservable(cold('- 540m a')).toBe('-')],
    ['a subscription', ({ cold, expectSubscriptions }) => expectSubscriptions(cold('-').subscriptions).toBe('540m ^')],
  ])('fails when virtual time ends before %s, and names the option to set', (_, test) => {
    const { name, message } = failureOf(marbles(test));
    expect(name).toBe('MarbleError');
    expect(message).toMatch(/virtual time ende?[ds] .*28800000 ms.*Give marbles the option framesMax: (324|360)0000\d/);
  });

  it('runs for the duration of framesMax, and may end during an endless heartbeat', () => {
    const happening: number[] = [];
    const late = ({ scheduler }: MarbleHelpers): void =>
      void timer(9 * hourMs, scheduler).subscribe((n) => happening.push(n));
    marbles(late, { framesMax: 9 * hourMs })();
    expect(happening).toEqual([0]);
    marbles(late, { framesMax: hourMs })();
    marbles(({ scheduler }) => void interval(60_000, scheduler).subscribe())();
    marbles(({ scheduler }) => scheduler.schedule(fail, 9 * hourMs).unsubscribe())();
    expect(happening).toEqual([0]);
    const failure = failureOf(
      marbles(({ expectObservable }) => expectObservable(NEVER).toBe('2s '), { framesMax: 1_000 }),
    );
    expect(failure.message).toContain('goes on to 2000 ms, but virtual time ends at 1000 ms');
  });

  it('may complete its expectations while time passes', () => {
    const test = marbles(({ cold, expectObservable }) => {
      const later = expectObservable(cold('a'));
      cold('-x').subscribe(() => later.toBe('a'));
    });
    expect(test).not.toThrow();
  });

  it('fails for sources with letters that have no value, which would be undefined', () => {
    const expected = 'values.b must be present, because the diagram a-b has this letter, received undefined.';
    expect(messageOf(({ cold }) => void cold('a-b', { a: 1 }))).toBe(expected);
    expect(messageOf(({ hot }) => void hot('a-b', { a: 1 }))).toBe(expected);
  });

  it('fails for values that are not a record, which would be ignored', () => {
    const valued = (values: unknown): string =>
      messageOf(({ cold, expectObservable }) => expectObservable(cold('a')).toBe('a', values));
    expect(valued('x')).toBe('values must be a record of letters and their values, received "x".');
    expect(valued(null)).toBe('values must be a record of letters and their values, received null.');
  });

  it('fails inside another marble test, whose virtual time it would end, and leaves that test unchanged', () => {
    const inner = marbles(() => undefined);
    expect(messageOf(() => inner())).toBe(
      'A marble test was run inside another one. Virtual time belongs to one test at a time.',
    );
    const outer = marbles(({ expectObservable }) => {
      failureOf(inner);
      // Outside virtual time, `endOfTurn$` would wait for a promise.
      expectObservable(endOfTurn$.pipe(map(() => 'a'))).toBe('(a|)');
    });
    expect(outer).not.toThrow();
    expect(inner).not.toThrow();
  });

  it('fails when it returns a promise, whose rejection is not reported as unhandled', async () => {
    const lost: unknown[] = [];
    const record = (reason: unknown): void => void lost.push(reason);
    process.on('unhandledRejection', record);
    const late = (): Promise<void> => Promise.reject(new Error('late'));
    expect(messageOf(late as () => void)).toMatch(/^test must be a function that returns no promise/);
    await new Promise(setImmediate);
    process.off('unhandledRejection', record);
    expect(lost).toEqual([]);
  });
});

describe('an invalid argument in a marble test', () => {
  it('is named: diagrams, streams and subscriptions', () => {
    const diagram = "diagram must be a diagram like 'a-b 1.5s (c|)', received undefined.";
    const stream = 'stream must be an observable, received undefined.';
    const [text, stream$] = [nothing as string, nothing as Observable<'paused'>];
    expect(messageOf(({ cold }) => void cold(text))).toBe(diagram);
    expect(messageOf(({ network }) => void network(text))).toBe(diagram);
    expect(messageOf(({ tokens }) => void tokens(text))).toBe(diagram);
    expect(messageOf(({ expectObservable }) => expectObservable(of(1)).toBe(text))).toBe(diagram);
    expect(messageOf(({ expectStates }) => expectStates(of('paused' as const)).toBe(text))).toBe(diagram);
    expect(messageOf(({ expectSubscriptions }) => expectSubscriptions([]).toBe([text]))).toBe(diagram);
    expect(messageOf(({ expectObservable }) => expectObservable(stream$).toBe('-'))).toBe(stream);
    expect(messageOf(({ expectObservable }) => expectObservable(of('paused' as const)).toEqual(stream$))).toBe(stream);
    expect(messageOf(({ expectStates }) => expectStates(stream$).toBe('-'))).toBe(stream);
    expect(messageOf(({ expectSubscriptions }) => expectSubscriptions(nothing as []).toBe('^'))).toBe(
      'logs must be the subscriptions of a cold or hot stream, received undefined.',
    );
  });

  it('is named: a test and an assert that are not functions', () => {
    expect(() => marbles(nothing as () => void)).toThrow('test must be a function, received undefined.');
    expect(() => marbles(() => undefined, { assert: 7 } as unknown as MarbleOptions)).toThrow(
      'options.assert must be a function, received 7.',
    );
  });
});

describe('times in diagrams', () => {
  it(
    'are exact, although seconds and minutes are not multiplied exactly',
    marbles(({ cold, hot, scheduler, expectObservable, expectSubscriptions }) => {
      const moment = (ms: number): Observable<string> => timer(ms, scheduler).pipe(map(() => 'a'));
      expectObservable(moment(16_100)).toBe('16.1s (a|)');
      expectObservable(cold('32.3s a')).toBe('32300ms a');
      expectObservable(hot('a 64.4s b')).toBe('a 64400ms b');
      expectObservable(moment(1_131_000)).toBe('18.85m (a|)');
      const source = cold('-');
      expectObservable(source, '16.1s ^ 16.2s !').toBe('-');
      expectSubscriptions(source.subscriptions).toBe('16100ms ^ 16200ms !');
      expectObservable(moment(33), '^ 32.2s !').toBe('33ms (a|)');
    }),
  );
});
