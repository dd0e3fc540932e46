import { map, merge, of, range, throwError, timer, type Observable } from 'rxjs';
import { findDifference } from '../../lib/testing/difference.js';
import { marbles } from '../../lib/testing/index.js';
import { drawingOf, failureOf } from './test-kit.js';

describe('the drawing of a marble test that fails', () => {
  it('has both diagrams one above the other, a caret under the first difference, and the values of letters', () => {
    const values = { d: 'disconnected', c: 'connecting', C: 'connected' };
    const test = marbles(({ cold, expectObservable }) => {
      expectObservable(cold('d-c-C----d---C', values)).toBe('d-c-C----d-c-C', values);
    });
    expect(drawingOf(test)).toEqual([
      'expected  d-c-C----d-c-C',
      'actual    d-c-C----d---C',
      '                     ^',
      'at 11ms: expected c, received nothing',
      "d = 'disconnected'",
      "c = 'connecting'",
      "C = 'connected'",
    ]);
  });

  it('names the path at which two values differ, and gives a free letter to a value without one', () => {
    const state = (name: string) => ({ connection: { state: name } });
    const test = marbles(({ cold, expectObservable }) => {
      expectObservable(cold('a-b', { a: state('up'), b: state('on') })).toBe('a-b', {
        a: state('up'),
        b: state('off'),
      });
    });
    expect(drawingOf(test)).toEqual([
      'expected  a-b',
      'actual    a-A',
      '            ^',
      'at 2ms: expected b, received A',
      "which differ at .connection.state: expected 'off', received 'on'",
      "a = { connection: { state: 'up' } }",
      "b = { connection: { state: 'off' } }",
      "A = { connection: { state: 'on' } }  (no letter was given for it)",
    ]);
  });

  it('writes long times as durations, one column for each moment, and points into groups', () => {
    const test = marbles(({ cold, expectObservable }) => {
      expectObservable(cold('a 1499ms (cd|)')).toBe('(ab) 996ms x 499ms (ce|)');
    });
    expect(drawingOf(test)).toEqual([
      'expected  (ab) 996ms x 499ms (ce|)',
      'actual    a 999ms    - 499ms (cd|)',
      '            ^',
      'at 0ms: expected b, received nothing',
    ]);
  });

  it('is in the syntax of marbles: a diagram drawn as actual passes when it is expected', () => {
    const stream = '(ab) 96ms c 1.5s d---(ef|)';
    const wrong = marbles(({ cold, expectObservable }) => expectObservable(cold(stream)).toBe('z'));
    const [, actual = ''] = drawingOf(wrong);
    const drawn = actual.replace('actual', '').trim();
    const right = marbles(({ cold, expectObservable }) => expectObservable(cold(stream)).toBe(drawn));
    expect(right).not.toThrow();
  });

  it('shows the parts in which errors differ', () => {
    const test = marbles(({ expectObservable }) => {
      expectObservable(throwError(() => new RangeError('far'))).toBe('#', {}, new RangeError('near'));
    });
    expect(drawingOf(test)).toEqual([
      'expected  #',
      'actual    #',
      '          ^',
      'at 0ms: expected #, received #',
      "which differ at .message: expected 'near', received 'far'",
    ]);
  });

  it('shows a stream that ends too early or not at all', () => {
    const early = marbles(({ cold, expectObservable }) => expectObservable(cold('a-|')).toBe('a-b|'));
    const never = marbles(({ cold, expectObservable }) => expectObservable(cold('a--')).toBe('a-|'));
    expect(drawingOf(early)).toEqual([
      'expected  a-b|',
      'actual    a-|',
      '            ^',
      'at 2ms: expected b, received |',
    ]);
    expect(drawingOf(never)).toEqual([
      'expected  a-|',
      'actual    a',
      '            ^',
      'at 2ms: expected |, received nothing',
    ]);
  });

  it('shows values that arrived at another time', () => {
    const test = marbles(({ cold, expectObservable }) => expectObservable(cold('a--b')).toBe('a-b'));
    expect(drawingOf(test)).toEqual([
      'expected  a-b',
      'actual    a--b',
      '            ^',
      'at 2ms: expected b, received nothing',
    ]);
  });

  it('shows the forty moments around the first difference of a long stream', () => {
    const test = marbles(({ cold, expectObservable }) => {
      expectObservable(cold(`${'a-'.repeat(100)}b`)).toBe(`${'a-'.repeat(100)}c`);
    });
    const drawn = 'a-'.repeat(39);
    expect(drawingOf(test).slice(0, 4)).toEqual([
      '(from 122ms on)',
      `expected  ${drawn}c`,
      `actual    ${drawn}b`,
      `${' '.repeat(10 + 78)}^`,
    ]);
  });

  it('draws a stream of many values quickly, and forty letters around the difference within one moment', () => {
    const counted = (last: number): Observable<number> => range(0, 5_000).pipe(map((n) => (n === 4_998 ? last : n)));
    const assert = (actual: unknown, expected: unknown): void => {
      // Jest's own assertion would take minutes for its message.
      if (findDifference(expected, actual) !== null) throw new Error('differs');
    };
    const quick = marbles(({ expectObservable }) => expectObservable(counted(-1)).toEqual(counted(-2)), { assert });
    const [note, expected = '', actual, caret, words] = drawingOf(quick);
    expect(note).toBe('(at most 40 letters of one frame)');
    expect(expected).toBe(`expected  (${'?'.repeat(22)}|)`);
    expect(actual).toBe(expected.replace('expected', 'actual  '));
    expect(caret?.length).toBe('expected  ('.length + 21);
    expect(words).toBe('at 0ms: expected ?, received ?');
  });

  it('explains that an event within the time of a group is drawn after it, and draws no time for a group', () => {
    const test = marbles(({ cold, expectObservable }) => {
      expectObservable(merge(cold('(abc)'), cold('-d-e'))).toBe('(abc)f');
    });
    expect(drawingOf(test).slice(0, 5)).toEqual([
      '(an event within the time that a group takes is drawn after the group, because diagrams cannot show it)',
      'expected  (abc)  f',
      'actual    (abc)de',
      '               ^',
      'at 1ms: expected nothing, received d',
    ]);
  });

  it('finds the letters of values that have messages, and of streams within streams', () => {
    const chat = { a: { messages: 1 }, b: { messages: 2 } };
    const chatting = marbles(({ cold, expectObservable }) => expectObservable(cold('a-b', chat)).toBe('a-a', chat));
    expect(drawingOf(chatting).slice(0, 2)).toEqual(['expected  a-a', 'actual    a-b']);
    const inner = marbles(({ cold, expectObservable }) => {
      const streams = { i: cold('-x|'), k: cold('-y|') };
      expectObservable(cold('i-k', streams)).toBe('i-i', streams);
    });
    expect(drawingOf(inner).slice(0, 2)).toEqual(['expected  i-i', 'actual    i-k']);
  });

  it('uses only single letters, whatever other names the values have', () => {
    const values = { ab: 1, a: 1 };
    const test = marbles(({ cold, expectObservable }) => expectObservable(cold('a', values)).toBe('-a', values));
    expect(drawingOf(test).slice(0, 2)).toEqual(['expected  -a', 'actual    a']);
  });

  it('draws subscriptions', () => {
    const test = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('a---b');
      expectObservable(source, '--^--!').toBe('--a--');
      expectSubscriptions(source.subscriptions).toBe('--^----!');
    });
    expect(drawingOf(test)).toEqual([
      'expected  --^----!',
      'actual    --^--!',
      '               ^',
      'subscription 1; 1 expected, 1 made',
    ]);
  });

  it('compares two streams, values of any kind, and times between milliseconds', () => {
    const test = marbles(({ expectObservable, scheduler }) => {
      const late = timer(20.5, scheduler).pipe(map(() => new Map([['a', Uint8Array.of(1, 2)]])));
      expectObservable(late).toEqual(of(new Map([['a', Uint8Array.of(1, 3)]])));
    });
    expect(drawingOf(test)).toEqual([
      'expected  (A|)',
      'actual    - 19.5ms (B|)',
      '           ^',
      'at 0ms: expected A, received nothing',
      "A = Map [['a', Uint8Array [1 3]]]",
      "B = Map [['a', Uint8Array [1 2]]]",
    ]);
  });

  it('points at the line of the expectation', () => {
    const { name, stack } = failureOf(marbles(({ expectStates }) => expectStates(of('paused')).toBe('(a|)')));
    const first = stack?.split('\n').find((line) => line.includes(' at '));
    expect([name, first?.includes('event-diagram.spec.ts')]).toEqual(['MarbleError', true]);
  });
});
