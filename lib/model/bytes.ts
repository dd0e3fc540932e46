import { Packr } from 'msgpackr';
import { unpacked } from './msgpack.js';
import { left, right, type Either } from './result.js';

/**
 * The one file that knows how values become bytes: MessagePack, written by msgpackr (chosen by measurement,
 * docs/DECISIONS.md) without records and extensions, so that any MessagePack library of any language reads it, and read by
 * `msgpack.ts`, because what is read may come from anybody.
 */
const packr = new Packr({ useRecords: false, mapsAsObjects: true, moreTypes: false, int64AsType: 'number' });

/**
 * The bytes of a value made of null, booleans, numbers, strings, bytes, arrays and plain records. They are the caller's own:
 * slices of a buffer that is filled once, from its start to its end, and never written again.
 */
export const toBytes = (value: unknown): Uint8Array => packr.pack(value);

/** The value of some bytes, or why they are none. Never throws. Byte values in it are views of `bytes`. */
export const fromBytes = (bytes: Uint8Array): Either<string, unknown> => {
  try {
    return right(unpacked(bytes));
  } catch (thrown) {
    return left(thrown instanceof Error ? thrown.message : String(thrown));
  }
};
