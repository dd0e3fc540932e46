import { interval, map, of, range, type Observable } from 'rxjs';
import {
  connectionLetters,
  MarbleError,
  marbles,
  stateLetters,
  syncLetters,
  type MarbleOptions,
} from '../../lib/testing/index.js';
import { transitions, type ConnectionState } from '../../lib/index.js';
import { drawingOf, failureOf } from './test-kit.js';

const wrong = (options?: MarbleOptions): (() => void) =>
  marbles(({ cold, expectObservable }) => expectObservable(cold('a')).toBe('b'), options);

const drawsOf = (options: MarbleOptions): readonly number[] => {
  const drawn: number[] = [];
  marbles(({ clock }) => [1, 2, 3].forEach(() => drawn.push(clock.random())), options)();
  return drawn;
};

/** Runs with another global `expect`, as other runners have it, or without one. */
const withExpect = <A>(other: unknown, run: () => A): A => {
  const global = globalThis as { expect?: unknown };
  const own = global.expect;
  global.expect = other;
  try {
    return run();
  } finally {
    global.expect = own;
  }
};

describe('marbles', () => {
  it('fails with a MarbleError that has the drawing, by the global expect', () => {
    const error = failureOf(wrong());
    expect([error instanceof MarbleError, error.message.startsWith('\nexpected  b\nactual    a\n')]).toEqual([
      true,
      true,
    ]);
  });

  it('leaves the comparison to the runner, its matchers included', () => {
    const test = marbles(({ cold, expectObservable }) => {
      expectObservable(cold('a-b', { a: { id: 7 }, b: { id: 'x' } })).toBe('a-b', {
        a: { id: expect.any(Number) as number },
        b: expect.objectContaining({ id: 'x' }) as object,
      });
    });
    expect(test).not.toThrow();
  });

  it('needs no runner: without an expect it compares by itself', () => {
    const same = marbles(({ cold, expectObservable }) => {
      expectObservable(cold('a', { a: { tags: new Set([1]) } })).toBe('a', { a: { tags: new Set([1]) } });
    });
    withExpect(undefined, same);
    expect(withExpect(undefined, () => failureOf(wrong())).message).toBe(failureOf(wrong()).message);
  });

  it('compares by itself as toEqual does: it calls matchers, and takes undefined properties as missing', () => {
    const expecting = (wanted: object): (() => void) =>
      marbles(({ cold, expectObservable }) =>
        expectObservable(cold('a', { a: { id: 7, no: undefined } })).toBe('a', { a: wanted }),
      );
    const any = (type: unknown): unknown => expect.any(type);
    const [right, wrongly, without] = [{ id: any(Number) }, { id: any(String) }, { id: 7, also: undefined }];
    withExpect(undefined, expecting(right));
    withExpect(undefined, expecting(without));
    expect(withExpect(undefined, () => drawingOf(expecting(wrongly)))).toContain(
      'which differ at .id: expected a matcher of a function, received 7',
    );
  });

  it('compares with the assert option', () => {
    const emitted: unknown[] = [];
    wrong({ assert: (...both) => emitted.push(both.length) })();
    expect(emitted).toEqual([2]);
    const refusing = wrong({
      assert: () => {
        throw new Error('no');
      },
    });
    expect(drawingOf(refusing).slice(0, 2)).toEqual(['expected  b', 'actual    a']);
  });

  it('lets a runner like Jasmine record the failure, with the drawing as its context', () => {
    const noted: string[] = [];
    const jasmine = (context: string) => (actual: unknown) => ({
      toEqual: (expected: unknown) => {
        if (JSON.stringify(actual) !== JSON.stringify(expected)) noted.push(context);
      },
      withContext: (words: string) => jasmine(words)(actual),
    });
    withExpect(jasmine('none'), wrong());
    expect(noted.map((context) => context.split('\n').slice(1, 3))).toEqual([['expected  b', 'actual    a']]);
  });

  it('compares by itself where expect is that of Chai, which has no toEqual', () => {
    const reject = (_: object, name: string | symbol): never => {
      throw new Error(`Invalid Chai property: ${String(name)}`);
    };
    const chai = (): object => new Proxy({}, { get: reject });
    const right = marbles(({ cold, expectObservable }) => expectObservable(cold('a')).toBe('a'));
    withExpect(chai, right);
    expect(withExpect(chai, () => failureOf(wrong())).message).toBe(failureOf(wrong()).message);
  });

  it('draws the same random numbers from the same seed, and only 0 without one', () => {
    expect(drawsOf({})).toEqual([0, 0, 0]);
    expect(drawsOf({ seed: 7 })).toEqual(drawsOf({ seed: 7 }));
    expect(drawsOf({ seed: 7 })).not.toEqual(drawsOf({ seed: 8 }));
  });

  it('ends virtual time at the option framesMax', () => {
    const counted = (options: MarbleOptions): number => {
      let ticks = 0;
      marbles(({ scheduler }) => void interval(1_000, scheduler).subscribe(() => (ticks += 1)), options)();
      return ticks;
    };
    expect([counted({ framesMax: 5_000 }), counted({ framesMax: 60_000 })]).toEqual([5, 60]);
  });

  it('rejects invalid options, and a test that returns a promise', () => {
    const promising = (() => Promise.resolve()) as () => void;
    expect(() => marbles(() => undefined, { seeds: 1 } as MarbleOptions)).toThrow(
      'options of marbles must be a record with only the names seed, framesMax, assert, received "seeds".',
    );
    expect(() => marbles(() => undefined, { framesMax: 0 })).toThrow('options.framesMax must be a number from 1');
    expect(() => marbles(() => undefined, { seed: -1 })).toThrow('options.seed must be a number from 0');
    expect(marbles(promising)).toThrow('test must be a function that returns no promise');
  });

  it('rejects values that lack a letter of the diagram, which would otherwise be expected as undefined', () => {
    const expecting = (diagram: string, values: object): (() => void) =>
      marbles(({ cold, expectObservable }) => expectObservable(cold('a')).toBe(diagram, values));
    expect(expecting('1.5s (ab) 20ms c-|', { a: 1, b: undefined })).toThrow(
      'values.c must be present, because the diagram 1.5s (ab) 20ms c-| has this letter, received undefined.',
    );
    expect(expecting('a', { a: 'a' })).not.toThrow();
  });

  it('draws each expectation with its own letters, for any number of expectations in any order', () => {
    const test = marbles(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const source = cold('a|', { a: 1 });
      const later = expectObservable(source);
      expectObservable(source).toBe('x|', { x: 1 });
      expectSubscriptions(source.subscriptions).toBe(['^!', '^!']);
      flush();
      later.toBe('y|', { y: 2 });
    });
    expect(drawingOf(test).slice(-2)).toEqual(['y = 2', 'A = 1  (no letter was given for it)']);
  });
});

describe('expectStates', () => {
  it(
    'draws the states of connection and sync by their letters',
    marbles(({ cold, expectStates }) => {
      expectStates(cold('d-c-C', connectionLetters)).toBe('  d-c-C');
      expectStates(cold('a-p-t-y-(i|)', syncLetters)).toBe('a-p-t-y-(i|)');
      expectStates(cold('a 1.5s p', syncLetters)).toBe('     a 1500ms p');
    }),
  );

  it('has a letter for every state, and no letter for two', () => {
    const connections: Readonly<Record<ConnectionState, true>> = {
      disconnected: true,
      connecting: true,
      connected: true,
    };
    const states = [...Object.keys(connections), ...Object.keys(transitions)];
    expect(Object.values(stateLetters).sort()).toEqual(states.sort());
  });

  it('rejects a letter that stands for no state', () => {
    const state$: Observable<'paused'> = range(0, 1).pipe(map(() => 'paused'));
    const test = marbles(({ expectStates }) => expectStates(state$).toBe('p 10ms x'));
    expect(test).toThrow(/diagram must be a diagram of the letters d \(disconnected\), .*, received "x"/);
  });

  it('fails with the names of the states', () => {
    const test = marbles(({ expectStates }) => expectStates(of('paused' as const)).toBe('(a|)'));
    expect(drawingOf(test)).toContain("which differ: expected 'active', received 'paused'");
  });
});
