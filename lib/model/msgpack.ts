import { pack } from './msgpack-writer.js';
import { unpack, unpackArrayStart } from './msgpack-reader.js';
import { countValues, hasMoreValuesThan, arrayLengthOf, unpackRows } from './msgpack-parts.js';
import { isLeft, left, right, type Either } from './result.js';

/*
 * The one file that knows how values become bytes: MessagePack without extensions, so that any MessagePack library of any language reads
 * it. It is written by `msgpack-writer.ts`, and read by `msgpack.ts`, because what is read may come from anybody.
 */

/**
 * The bytes of a value made of null, booleans, numbers, strings, bytes, arrays and plain records. They are the caller's
 * own: slices of a buffer that is filled once, from its start to its end, and never written again.
 */
export const encodeValue = (value: unknown): Uint8Array => pack(value);

const tryRead = (read: () => unknown): Either<string, unknown> => {
  try {
    return right(read());
  } catch (thrown) {
    return left(thrown instanceof Error ? thrown.message : String(thrown));
  }
};

/** The value of some bytes, or why they are none. Never throws. Byte values in it are views of `bytes`. */
export const decodeValue = (bytes: Uint8Array): Either<string, unknown> => tryRead(() => unpack(bytes, Infinity));

/** The same for bytes that an earlier version may have stored, which took holes in arrays: they are null. */
export const decodeStoredValue = (bytes: Uint8Array): Either<string, unknown> =>
  tryRead(() => unpack(bytes, Infinity, true));

/**
 * The same for bytes that hold at most `valuesMax` values in all, a record counting its names, too. They are counted
 * while they are read.
 */
export const decodeValueWithin = (bytes: Uint8Array, valuesMax: number): Either<string, unknown> =>
  tryRead(() => unpack(bytes, valuesMax));

/**
 * The same for an array of which only the first element and as many more as `wanted` says of it are read; the others
 * are skipped.
 */
export const decodeArrayStart = (
  bytes: Uint8Array,
  valuesMax: number,
  wanted: (first: unknown) => number,
): Either<string, unknown> => tryRead(() => unpackArrayStart(bytes, valuesMax, wanted));

/** How many values some bytes of ours hold, counted as `fromBytesWithin` does. */
export const countEncodedValues = countValues;

/** Whether some bytes of anybody's hold more values than that. Never throws. */
export const hasMoreValues = hasMoreValuesThan;

/** How many elements the array of some bytes says that it has; `null`: they hold none. Never throws. */
export const decodeArrayLength = (bytes: Uint8Array): number | null => {
  const length = tryRead(() => arrayLengthOf(bytes));
  return isLeft(length) ? null : (length.right as number | null);
};

/**
 * The first elements of each array in an array, as many arrays as there are in the first so many values. Never throws.
 */
export const decodeRowStarts = unpackRows;
