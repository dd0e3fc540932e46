import { of } from 'rxjs';
import { marbles, type MarbleOptions } from '../../lib/testing/index.js';
import { findDifference, formatValue } from '../../lib/testing/difference.js';
import { failureOf } from './test-kit.js';

class Point {
  constructor(readonly x: number) {}
}
const ring = (): object => {
  const one: { next?: object } = {};
  one.next = { next: one };
  return one;
};
const buffer = (...bytes: readonly number[]): ArrayBuffer => Uint8Array.from(bytes).buffer;
const promise = Promise.resolve();
const symbol = Symbol('s');

/** Compares by the library's equality and by that of the runner, and returns the common result. */
const verdict = (actual: unknown, expected: unknown): string => {
  const own = findDifference(expected, actual) === null ? 'same' : 'other';
  let runner = 'same';
  try {
    expect(actual).toEqual(expected);
  } catch {
    runner = 'other';
  }
  return runner === own ? own : `own equality: ${own}, toEqual: ${runner}`;
};

describe('the equality of marble tests without a runner', () => {
  it.each([
    ['NaN and NaN', NaN, NaN],
    ['an undefined and a missing property', { a: undefined }, {}],
    ['an instance and a record of its properties', new Point(1), { x: 1 }],
    ['sets in another order', new Set([1, { a: 1 }]), new Set([{ a: 1 }, 1])],
    [
      'maps in another order',
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
      new Map([
        ['b', 2],
        ['a', 1],
      ]),
    ],
    ['maps of objects', new Map([[{ id: 1 }, 1]]), new Map([[{ id: 1 }, 1]])],
    ['cyclic objects', ring(), ring()],
    ['addresses', new URL('http://a/'), new URL('http://a')],
    ['dates', new Date(5), new Date(5)],
    ['symbols as names', { [symbol]: 1 }, { [symbol]: 1 }],
    ['one promise', promise, promise],
    ['bytes', Uint8Array.of(1, 2), Uint8Array.of(1, 2)],
  ])('takes as equal: %s', (_, actual, expected) => {
    expect(verdict(actual, expected)).toBe('same');
  });

  it.each([
    ['signs of zero', 0, -0],
    ['null and undefined', null, undefined],
    ['a set with undefined and an empty set', new Set([undefined]), new Set()],
    ['sets', new Set([1, 1, 2]), new Set([1, 3])],
    ['sets of another size', new Set([1]), new Set([1, 2])],
    ['maps with other values', new Map([['a', 1]]), new Map([['a', 2]])],
    ['maps with other keys', new Map([['a', 1]]), new Map([['b', 1]])],
    ['maps of another size', new Map([['a', 1]]), new Map()],
    ['addresses', new URL('http://a'), new URL('http://b')],
    ['symbols as names', { [symbol]: 1 }, { [symbol]: 2 }],
    ['boxes', Object(1), Object(2)],
    ['a cyclic and a finite object', ring(), { next: { next: { next: null } } }],
    ['a finite and a cyclic object', { next: { next: { next: null } } }, ring()],
    ['patterns', /a/g, /a/i],
    ['bytes', Uint8Array.of(1), Uint8Array.of(1, 0)],
    ['a set and an array', new Set([1]), [1]],
  ])('takes as different: %s', (_, actual, expected) => {
    expect(verdict(actual, expected)).toBe('other');
  });

  it('takes two promises as different, and compares buffers by their bytes, unlike toEqual of Jest', () => {
    expect(findDifference(Promise.resolve(1), Promise.resolve(1))?.path).toBe('');
    expect(findDifference(buffer(1), buffer(1))).toBe(null);
    expect(findDifference(buffer(1), buffer(2))?.path).toBe('');
    expect(findDifference(new DataView(buffer(1, 2), 1), new DataView(buffer(2)))).toBe(null);
    expect(findDifference(new DataView(buffer(1, 2), 1), new DataView(buffer(1)))?.path).toBe('');
  });

  it('names the key at which maps differ, and reports sets as a whole', () => {
    expect(findDifference({ m: new Map([['a', { n: 1 }]]) }, { m: new Map([['a', { n: 2 }]]) })?.path).toBe(
      ".m of 'a'.n",
    );
    expect(findDifference({ s: new Set([1]) }, { s: new Set([2]) })?.path).toBe('.s');
  });

  it('decides whether a test without a runner fails', () => {
    const assert: MarbleOptions['assert'] = (actual, expected) => {
      if (findDifference(expected, actual) !== null) throw new Error('differs');
    };
    const comparing = (value: unknown) =>
      marbles(({ expectObservable }) => expectObservable(of(ring())).toBe('(r|)', { r: value }), { assert });
    expect(comparing(ring())).not.toThrow();
    expect(failureOf(comparing({ next: { next: null } })).name).toBe('MarbleError');
  });
});

describe('a value in a message', () => {
  it('is written in one line, and shows differences that are otherwise invisible', () => {
    expect(formatValue('a\nb\tc')).toBe("'a\\nb\\tc'");
    expect([formatValue(-0), formatValue(0), formatValue(NaN), formatValue(undefined)]).toEqual([
      '-0',
      '0',
      'NaN',
      'undefined',
    ]);
    expect(formatValue(new URL('http://a/b'))).toBe('URL http://a/b');
    expect(formatValue(/a+/g)).toBe('/a+/g');
    expect(formatValue(ring())).toBe('{ next: { next: { next: { next: { next: … } } } } }');
  });
});
