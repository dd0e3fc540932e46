import { pack } from './msgpack-writer.js';
import { unpack, unpackArrayStart } from './msgpack-reader.js';
import {
  countValues,
  hasMoreValuesThan,
  arrayLengthOf,
  packRows,
  unpackRows,
  unpackRowSpans,
} from './msgpack-parts.js';
import { isLeft, left, right, type Either } from './result.js';

/*
 * The only file through which values become bytes: MessagePack without extensions, which libraries of all languages can
 * read. `msgpack-writer.ts` writes and `msgpack-reader.ts` reads, because the bytes may come from untrusted sources.
 */

/**
 * Encodes a value of null, booleans, numbers, strings, bytes, arrays and plain records.
 *
 * @returns Bytes that belong to the caller: slices of a buffer that is filled once and never written again.
 */
export const encodeValue = (value: unknown): Uint8Array => pack(value);

const tryRead = (read: () => unknown): Either<string, unknown> => {
  try {
    return right(read());
  } catch (thrown) {
    return left(thrown instanceof Error ? thrown.message : String(thrown));
  }
};

/**
 * Decodes one value, or returns the reason why the bytes are invalid. Never throws. Byte values are views of `bytes`.
 */
export const decodeValue = (bytes: Uint8Array): Either<string, unknown> => tryRead(() => unpack(bytes, Infinity));

/** Decodes like `decodeValue`, but reads holes in arrays, which earlier versions stored, as null. */
export const decodeValueLeniently = (bytes: Uint8Array): Either<string, unknown> =>
  tryRead(() => unpack(bytes, Infinity, true));

/**
 * Decodes like `decodeValue`, but at most `valuesMax` values, names in records included. They are counted while they
 * are read.
 */
export const decodeValueWithin = (bytes: Uint8Array, valuesMax: number): Either<string, unknown> =>
  tryRead(() => unpack(bytes, valuesMax));

/**
 * Decodes only the start of an array: the first element, and the number of further ones that `wanted` returns for it.
 * The others are skipped.
 */
export const decodeArrayStart = (
  bytes: Uint8Array,
  valuesMax: number,
  wanted: (first: unknown) => number,
): Either<string, unknown> => tryRead(() => unpackArrayStart(bytes, valuesMax, wanted));

/** Returns the number of values in bytes that we encoded, counted like `decodeValueWithin`. */
export const countEncodedValues = countValues;

/** Whether untrusted bytes hold more than `valuesMax` values. Never throws. */
export const hasMoreValues = hasMoreValuesThan;

/** Returns the length in the header of an array; `null` when the bytes are not an array. Never throws. */
export const decodeArrayLength = (bytes: Uint8Array): number | null => {
  const length = tryRead(() => arrayLengthOf(bytes));
  return isLeft(length) ? null : (length.right as number | null);
};

/** Returns the first elements of each array in an array, up to a number of values. Never throws. */
export const decodeRowStarts = unpackRows;

/** Returns the first elements of each array in an array, with the bytes of each; `null` for other bytes. */
export const decodeRowSpans = unpackRowSpans;

/** Returns the array whose elements have these bytes. */
export const joinRows = packRows;
