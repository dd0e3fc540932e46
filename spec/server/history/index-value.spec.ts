import fc from 'fast-check';
import { canonicalFilterOf } from '../../../lib/filter/canonical-filter.js';
import { createFilterTest } from '../../../lib/filter/filter-test.js';
import { kindOf, type StoredFilter } from '../../../lib/filter/stored-filter.js';
import { compareValues, isSameValue, type Value } from '../../../lib/model/value.js';
import { indexRangesOf, indexValueOf } from '../../../lib/server/history/index-value.js';
import { runOptions } from '../../merge/arbitrary-operations.js';
import { anyIndexedValue } from './indexed-history.js';

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 6 }),
  fc.string({ unit: fc.constantFrom('a', 'b', '/', '~', '\u0030', '\u007b', '\u17a4', '\uffff'), maxLength: 40 }),
);
const anyNumber = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer(),
  fc.constantFrom(0, -0, 1, -1, 5e-324, Infinity, -Infinity),
);
/** Longer than what the index keeps, with the same beginning. */
const anyLongText = fc
  .constantFrom('1', '2', '12', '', '}', '~')
  .map((text) => `https://example.org/all/lists/${text}`);
const anyValue: fc.Arbitrary<Value> = fc.oneof(
  anyLongText,
  anyIndexedValue,
  anyText,
  anyNumber,
  fc.uint8Array({ maxLength: 30 }),
  fc.constant(NaN),
);
const anyOperand = anyValue.filter(
  (value) => kindOf(value) !== 'other' && (typeof value !== 'number' || Number.isFinite(value)),
);

const anyCondition: fc.Arbitrary<StoredFilter> = fc
  .oneof(
    fc.array(anyOperand, { maxLength: 4 }).map((all): StoredFilter => ['in', 'p', ...all]),
    fc
      .tuple(fc.constantFrom('gt', 'gte', 'lt', 'lte'), anyOperand)
      .map(([operator, value]): StoredFilter => [operator, 'p', value]),
  )
  .chain((filter) => fc.constantFrom<StoredFilter>(filter, ['not', filter]))
  .map((filter) => canonicalFilterOf(filter));

const isIn = (condition: StoredFilter, value: Value) => {
  const found = indexRangesOf(condition);
  const place = `${indexValueOf(value)}/skey`;
  return found && { ...found, isFound: found.ranges.some(({ from, to }) => from <= place && place < to) };
};

describe('the text of a value in the index', () => {
  it('has the order of the values of its kind, is short, and is the same for equal values', () => {
    fc.assert(
      fc.property(anyValue, anyValue, (a, b) => {
        const [one, other] = [indexValueOf(a), indexValueOf(b)];
        expect(one).toMatch(/^[a-z][0-}]{0,35}$/);
        if (isSameValue(a, b)) expect(one).toBe(other);
        if (kindOf(a) !== kindOf(b)) expect(one[0]).not.toBe(other[0]);
        else if (
          kindOf(a) !== 'other' &&
          !Number.isNaN(a) &&
          !Number.isNaN(b) &&
          one.length <= 24 &&
          other.length <= 24
        ) {
          const order = `${one}/` < `${other}/` ? -1 : one === other ? 0 : 1;
          expect(order).toBe(Math.sign(compareValues(a, b)));
        }
      }),
      runOptions(20_000),
    );
  });

  it('differs for long texts that begin alike', () => {
    const start = 'https://example.org/all/lists/';
    const texts = Array.from({ length: 2_000 }, (_, at) => indexValueOf(`${start}${at}`));
    expect(new Set(texts).size).toBe(texts.length);
  });

  it('edge cases 24 and 25: is in the ranges of each condition that the value meets, and in inexact ones of few others', () => {
    let [others, found] = [0, 0];
    fc.assert(
      fc.property(anyCondition, anyValue, (condition, value) => {
        const { isFound = null, isExact = false } = isIn(condition, value) ?? {};
        if (isFound === null) return;
        const isMatch = createFilterTest(condition)(() => value);
        if (isMatch || isExact) expect(isFound).toBe(isMatch);
        if (!isMatch) {
          others += 1;
          found += isFound ? 1 : 0;
        }
      }),
      runOptions(20_000),
    );
    expect(found / others).toBeLessThan(0.05);
  });

  it('has ranges in order that do not overlap', () => {
    fc.assert(
      fc.property(anyCondition, (condition) => {
        const bounds = (indexRangesOf(condition)?.ranges ?? []).flatMap(({ from, to }) => [from, to]);
        bounds.forEach((bound, at) => expect(bound > (bounds[at - 1] ?? '') || at === 0 || at % 2 === 0).toBe(true));
        expect([...bounds].sort()).toEqual(bounds);
      }),
      runOptions(5_000),
    );
  });
});
