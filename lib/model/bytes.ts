import { Packr } from 'msgpackr';
import { left, right, type Either } from './result.js';

/**
 * The one file that knows how values become bytes: MessagePack, by msgpackr (chosen by measurement, docs/DECISIONS.md).
 * No records and no extensions: any MessagePack library of any language reads what this writes.
 */
const packr = new Packr({ useRecords: false, mapsAsObjects: true, moreTypes: false, int64AsType: 'number' });

/** The bytes of a value made of null, booleans, numbers, strings, bytes, arrays and plain records. They are the caller's own. */
export const toBytes = (value: unknown): Uint8Array => packr.pack(value);

/** The value of some bytes, or why they are none. Never throws. */
export const fromBytes = (bytes: Uint8Array): Either<string, unknown> => {
  try {
    return right(packr.unpack(bytes) as unknown);
  } catch (thrown) {
    return left(thrown instanceof Error ? thrown.message : String(thrown));
  }
};
