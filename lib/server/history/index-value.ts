import {
  isGroup,
  isMembership,
  isNegation,
  kindOf,
  type Order,
  type StoredFilter,
} from '../../filter/stored-filter.js';
import { isBytes } from '../../model/built-ins.js';
import { limits } from '../../model/limits.js';
import { sortableTextOf } from '../../model/sortable-number.js';
import type { Value } from '../../model/value.js';

/*
 * The texts of values in the keys of the index. The order of texts is the order of values of the same kind. They have
 * only characters from `0` to `}`, so that `/` ends a text before all longer ones, and `~` comes after all texts.
 */

/**
 * The longest text of a value: with it, the key of a row has at most `storageKeyCharsMax` characters, also for the
 * longest names of a realm, a type and an object. A longer text is cut, and ends with a hash of the whole.
 */
const textCharsMax = 36;
const cutCharsMax = 24;

/** The first letters of the texts of each kind. */
const kindLetters: Readonly<Record<string, string>> = {
  null: 'a',
  boolean: 'b',
  number: 'n',
  string: 's',
  bytes: 'y',
  other: 'x',
};
const kindLetterOf = (value: Value): string => kindLetters[kindOf(value)] ?? 'x';

const firstUnit = 0x31; // '1', the first character that stands for itself. '0' begins those before it.
const afterLastUnit = 0x7b; // '{', after the last character that stands for itself.
const digitsCount = 77; // From '1' to '}'.
const pairsCount = digitsCount * digitsCount;
const plainText = /^[1-z]*$/;

const digitOf = (value: number): string => String.fromCharCode(firstUnit + (value % digitsCount));

/** Returns a UTF-16 code unit as one to four characters. */
const unitTextOf = (unit: number): string => {
  if (unit < firstUnit) return `0${digitOf(unit)}`;
  if (unit < afterLastUnit) return String.fromCharCode(unit);
  const rest = unit - afterLastUnit;
  if (rest < pairsCount) return `{${digitOf(Math.floor(rest / digitsCount))}${digitOf(rest)}`;
  const more = rest - pairsCount;
  return `|${digitOf(Math.floor(more / pairsCount))}${digitOf(Math.floor(more / digitsCount))}${digitOf(more)}`;
};

const charactersOf = (text: string): string => {
  if (plainText.test(text)) return text;
  let all = '';
  for (let at = 0; at < text.length; at += 1) all += unitTextOf(text.charCodeAt(at));
  return all;
};

const numberBytes = new DataView(new ArrayBuffer(8));
const hexOf = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');

/** Returns the bits of a number, changed so that their order is that of numbers. Zeros at the end are left out. */
const digitsOf = (value: number): string => {
  numberBytes.setFloat64(0, value + 0); // The sum of -0 and 0 is 0.
  const high = numberBytes.getInt32(0);
  const low = numberBytes.getInt32(4);
  const digits = high < 0 ? hexOf(~high) + hexOf(~low) : hexOf(high ^ 0x8000_0000) + hexOf(low);
  return digits.replace(/0+$/, '');
};

/** Returns the text of a value, before it is cut. Nothing after the size of a filter is equal to a value in it. */
const wholeTextOf = (value: Value): string => {
  const letter = kindLetterOf(value);
  if (typeof value === 'boolean') return letter + (value ? '1' : '0');
  if (typeof value === 'number') return letter + digitsOf(value);
  if (typeof value === 'string') return letter + charactersOf(value.slice(0, limits.filterBytesMax));
  if (!isBytes(value)) return letter;
  let hex = letter;
  for (const byte of value.subarray(0, limits.filterBytesMax)) hex += byte.toString(16).padStart(2, '0');
  return hex;
};

/** Returns a hash of 53 bits. Two values may have the same: an index only says which objects need a check. */
export const hashOf = (text: string): number => {
  let [one, other] = [0x9e37_79b9, 0x85eb_ca6b];
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    one = Math.imul(one ^ unit, 0x0100_0193);
    other = Math.imul(other ^ unit, 0xc2b2_ae35) + one;
  }
  return ((one >>> 0) & 0x1f_ffff) * 2 ** 32 + ((other ^ (other >>> 15)) >>> 0);
};

/** Returns the text of a value in the index. */
export const indexValueOf = (value: Value): string => {
  const text = wholeTextOf(value);
  return text.length <= textCharsMax ? text : `${text.slice(0, cutCharsMax)}}${sortableTextOf(hashOf(text))}`;
};

/** A part of the index of one property: the rows whose text and key are between two texts. */
export interface IndexRange {
  /** The start, which the range contains. */
  readonly from: string;
  /** The end, which the range does not contain. */
  readonly to: string;
}

/** After all texts. */
const end = '~';
export const wholeRange: IndexRange = { from: '', to: end };

/** Ranges that have all values of a condition. Exact: and no other values. */
export interface ConditionRanges {
  readonly ranges: readonly IndexRange[];
  readonly isExact: boolean;
}

const equalRangeOf = (text: string): IndexRange => ({ from: `${text}/`, to: `${text}0` });

const orderRangesOf = ([operator, , bound]: Order): ConditionRanges => {
  const letter = kindLetterOf(bound);
  const text = wholeTextOf(bound);
  const isExact = text.length <= cutCharsMax;
  const cut = text.slice(0, cutCharsMax);
  const isEqualIn = operator === 'gte' || operator === 'lte';
  const isGreater = operator === 'gt' || operator === 'gte';
  if (isGreater) {
    const from = isExact ? cut + (isEqualIn ? '/' : '0') : cut;
    return { ranges: [{ from, to: letter + end }], isExact };
  }
  const to = cut + (isExact ? (isEqualIn ? '0' : '/') : end);
  return { ranges: [{ from: letter, to }], isExact };
};

/** Returns what is outside of ranges, which are in order and do not overlap. */
const outsideOf = (ranges: readonly IndexRange[]): readonly IndexRange[] => {
  const starts = [wholeRange.from, ...ranges.map(({ to }) => to)];
  return starts
    .map((from, at): IndexRange => ({ from, to: ranges[at]?.from ?? wholeRange.to }))
    .filter(({ from, to }) => from < to);
};

/**
 * Returns the ranges of the index of a property that have all objects of a condition on it, in order; `null` if the
 * index does not help.
 */
export const indexRangesOf = (condition: StoredFilter): ConditionRanges | null => {
  if (typeof condition === 'boolean' || isGroup(condition)) return null;
  if (isNegation(condition)) {
    const inner = indexRangesOf(condition[1]);
    return inner?.isExact === true ? { ranges: outsideOf(inner.ranges), isExact: true } : null;
  }
  if (!isMembership(condition)) return orderRangesOf(condition);
  const texts = [...new Set(condition.slice(2).map((value) => indexValueOf(value)))].sort();
  return { ranges: texts.map(equalRangeOf), isExact: texts.every((text) => text.length <= cutCharsMax) };
};
