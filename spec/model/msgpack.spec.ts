import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { decodeValue, encodeValue } from '../../lib/model/msgpack.js';
import { isLeft, isRight, left, right } from '../../lib/model/result.js';

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

/** Returns the value that is decoded: -0 is written as 0. */
const plus = (given: unknown): unknown =>
  JSON.stringify(given, (_, each: unknown) => (each instanceof Uint8Array ? { bytes: [...each] } : each));

describe('bytes', () => {
  it('decode to every value that was encoded', () => {
    fc.assert(
      fc.property(value, (given) => {
        const decoded = decodeValue(encodeValue(given));
        if (isLeft(decoded)) throw new Error(decoded.left);
        expect(plus(decoded.right)).toBe(plus(given));
      }),
      { numRuns: 2_000, ...seed },
    );
  });

  it('can be exchanged with another library in both directions', () => {
    const other = new Packr({ useRecords: false, mapsAsObjects: true, moreTypes: false, int64AsType: 'number' });
    fc.assert(
      fc.property(value, (given) => {
        const bytes = encodeValue(given);
        // The other library replaces the key `__proto__`.
        expect(String(plus(other.unpack(bytes)))).toBe(String(plus(given)).replaceAll('"__proto__":', '"__proto_":'));
        expect(bytes.byteLength).toBeLessThanOrEqual(other.pack(given).byteLength);
      }),
      { numRuns: 2_000, ...seed },
    );
  });

  it.each([
    ...[0, 1, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257, 65_535, 65_536, 65_537].flatMap((length) => [
      'x'.repeat(length),
      'é'.repeat(length),
      `${'x'.repeat(length)}東`,
      new Uint8Array(length).fill(7),
      Array.from({ length: Math.min(length, 300) }, (_, i) => i),
      Object.fromEntries(Array.from({ length: Math.min(length, 300) }, (_, i) => [`k${i}`, i])),
    ]),
    ...[0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER, 1.5, 1e300],
    ...[-1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, Number.MIN_SAFE_INTEGER],
  ])('have a form for every length and size, case %#', (given) => {
    expect(decodeValue(encodeValue([given, 'after']))).toEqual(right([given, 'after']));
  });

  it('cannot hold a value without a MessagePack form, and the next encoding is not affected', () => {
    expect(() => encodeValue([1, 'a', () => 5])).toThrow(/A MessagePack value must be .*, received function\./);
    expect(() => encodeValue({ n: 5n })).toThrow(/received bigint/);
    expect(decodeValue(encodeValue([1, undefined]))).toEqual(right([1, null]));
  });

  it('are decoded like any MessagePack: a number may have any width', () => {
    const decodeBytes = (...bytes: number[]): unknown => decodeValue(Uint8Array.from(bytes));
    expect(decodeBytes(0xcc, 7)).toEqual(right(7));
    expect(decodeBytes(0xcd, 0, 7)).toEqual(right(7));
    expect(decodeBytes(0xce, 0, 0, 0, 7)).toEqual(right(7));
    expect(decodeBytes(0xcf, 0, 0, 0, 1, 0, 0, 0, 7)).toEqual(right(2 ** 32 + 7));
    expect(decodeBytes(0xd0, 0xf9)).toEqual(right(-7));
    expect(decodeBytes(0xd1, 0xff, 0xf9)).toEqual(right(-7));
    expect(decodeBytes(0xd2, 0xff, 0xff, 0xff, 0xf9)).toEqual(right(-7));
    expect(decodeBytes(0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf9)).toEqual(right(-7));
    expect(decodeBytes(0xca, 0x40, 0xe0, 0, 0)).toEqual(right(7));
    expect(decodeBytes(0xe0)).toEqual(right(-32));
  });

  it('stay the same when many more have been written', () => {
    const kept = Array.from({ length: 2_000 }, (_, i) => encodeValue([i, 'x'.repeat(i % 500)]));
    encodeValue(new Uint8Array(100_000));
    kept.forEach((bytes, i) => expect(decodeValue(bytes)).toEqual(right([i, 'x'.repeat(i % 500)])));
  });

  it('keep a byte order mark, and a key that has a meaning in JavaScript', () => {
    expect(decodeValue(encodeValue('\ufeffa'))).toEqual(right('\ufeffa'));
    const decoded = decodeValue(new Packr({ useRecords: false }).pack(new Map([['__proto__', 1]])));
    expect(isRight(decoded) && Object.entries(decoded.right as object)).toEqual([['__proto__', 1]]);
  });

  it.each([
    ['nothing', [], 'ends too early'],
    ['a value with bytes after it', [0x01, 0x02], 'has 1 bytes after its end'],
    ['a string that ends too early', [0xa3, 0x61], 'ends too early'],
    [
      'an array with too few bytes for its length',
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      'announces more elements than it has bytes',
    ],
    [
      'nested arrays with too few bytes for all their lengths',
      [0xdc, 0, 6, 0xdc, 0, 6, 1, 1, 1, 1, 1],
      'announces more elements than it has bytes',
    ],
    ['a map with a key that is not a string', [0x81, 0x01, 0x02], 'has a key that is not a string'],
    ['an extension', [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01], 'has a value of a kind that is not used here: 0xd4'],
    ['a byte that MessagePack does not use', [0xc1], 'has a value of a kind that is not used here: 0xc1'],
    ['arrays nested without an end', Array.from({ length: 100_000 }, () => 0x91), 'has more than 64 nested levels'],
  ])('are rejected as %s', (_, bytes, why) => {
    expect(decodeValue(Uint8Array.from(bytes))).toEqual(left(why));
  });

  it('never throw, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeValue(bytes);
      }),
      { numRuns: 20_000, ...seed },
    );
  });
});
