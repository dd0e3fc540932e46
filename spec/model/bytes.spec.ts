import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { fromBytes, toBytes } from '../../lib/model/bytes.js';
import { isLeft, isRight, right } from '../../lib/model/result.js';

const seed = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 40 }),
    fc.dictionary(fc.string({ unit: 'binary' }), tie('value'), { noNullPrototype: true }),
  ),
}));

/** What comes back: -0 is written as 0. */
const plus = (given: unknown): unknown =>
  JSON.stringify(given, (_, each: unknown) => (each instanceof Uint8Array ? { bytes: [...each] } : each));

describe('bytes', () => {
  it('give back every value', () => {
    fc.assert(
      fc.property(value, (given) => {
        const got = fromBytes(toBytes(given));
        if (isLeft(got)) throw new Error(got.left);
        expect(plus(got.right)).toBe(plus(given));
      }),
      { numRuns: 2_000, ...seed },
    );
  });

  it('are read like every MessagePack: whatever width a number was written in', () => {
    const said = (...bytes: number[]): unknown => fromBytes(Uint8Array.from(bytes));
    expect(said(0xcc, 7)).toEqual(right(7));
    expect(said(0xcd, 0, 7)).toEqual(right(7));
    expect(said(0xce, 0, 0, 0, 7)).toEqual(right(7));
    expect(said(0xcf, 0, 0, 0, 1, 0, 0, 0, 7)).toEqual(right(2 ** 32 + 7));
    expect(said(0xd0, 0xf9)).toEqual(right(-7));
    expect(said(0xd1, 0xff, 0xf9)).toEqual(right(-7));
    expect(said(0xd2, 0xff, 0xff, 0xff, 0xf9)).toEqual(right(-7));
    expect(said(0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf9)).toEqual(right(-7));
    expect(said(0xca, 0x40, 0xe0, 0, 0)).toEqual(right(7));
    expect(said(0xe0)).toEqual(right(-32));
  });

  it('are still the same when many more have been written', () => {
    const kept = Array.from({ length: 2_000 }, (_, i) => toBytes([i, 'x'.repeat(i % 500)]));
    toBytes(new Uint8Array(100_000));
    kept.forEach((bytes, i) => expect(fromBytes(bytes)).toEqual(right([i, 'x'.repeat(i % 500)])));
  });

  it('keep a byte order mark, and a key that JavaScript has plans for', () => {
    expect(fromBytes(toBytes('\ufeffa'))).toEqual(right('\ufeffa'));
    const got = fromBytes(new Packr({ useRecords: false }).pack(new Map([['__proto__', 1]])));
    expect(isRight(got) && Object.entries(got.right as object)).toEqual([['__proto__', 1]]);
  });

  it.each([
    ['nothing', []],
    ['a value and more', [0x01, 0x02]],
    ['a string that ends too early', [0xa3, 0x61]],
    ['an array that ends too early', [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ['arrays that ask for more than they bring', [0xdc, 0x00, 0x05, 0xdc, 0x00, 0x05, 1, 1, 1, 1, 1]],
    ['a map with a key that is no string', [0x81, 0x01, 0x02]],
    ['an extension', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01]],
    ['what is never used', [0xc1]],
  ])('are refused as %s', (_, bytes) => {
    expect(isLeft(fromBytes(Uint8Array.from(bytes)))).toBe(true);
  });

  it('are refused when they are deeper than the stack should go', () => {
    expect(isLeft(fromBytes(new Uint8Array(1_000_000).fill(0x91)))).toBe(true);
  });

  it('never throw, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        fromBytes(bytes);
      }),
      { numRuns: 20_000, ...seed },
    );
  });
});
