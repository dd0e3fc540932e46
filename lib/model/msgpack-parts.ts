import {
  checkEnd,
  readArrayLength,
  createCursor,
  isContainerToken,
  skipValue,
  throwCorrupt,
  readValue,
} from './msgpack-reader.js';

/* Reads parts of MessagePack from untrusted sources, without creating the rest. */

/**
 * Returns the number of values in some bytes. As with `decodeValueWithin`, names in records count.
 *
 * @throws CorruptBytesError for bytes that are not MessagePack.
 */
export const countValues = (bytes: Uint8Array): number => {
  const cursor = createCursor(bytes, Infinity);
  skipValue(cursor, 0);
  return bytes.byteLength - cursor.budget;
};

/**
 * Whether some bytes hold more than `valuesMax` values, as far as they can be read. Takes a twentieth of the time that
 * creating the values takes.
 */
export const hasMoreValuesThan = (bytes: Uint8Array, valuesMax: number): boolean => {
  if (bytes.byteLength <= valuesMax) return false; // Each takes at least a byte.
  const cursor = createCursor(bytes, valuesMax);
  try {
    skipValue(cursor, 0);
  } catch {
    // The remaining budget shows whether there were too many values.
  }
  return cursor.budget < 0;
};

/** Returns the length in the header of an array; `null` when the bytes are not an array. */
export const arrayLengthOf = (bytes: Uint8Array): number | null => readArrayLength(createCursor(bytes, Infinity));

/**
 * Returns the first elements of each array in an array, without nested arrays and records. Ends after `valuesMax`
 * values, and at the first bytes that are not such an array.
 */
export const unpackRows = (bytes: Uint8Array, valuesMax: number, elements: number): readonly (readonly unknown[])[] => {
  const cursor = createCursor(bytes, valuesMax);
  const rows: unknown[][] = [];
  try {
    for (let left = readArrayLength(cursor) ?? 0; left > 0; left -= 1) {
      const length = readArrayLength(cursor) ?? throwCorrupt('is not an array');
      const row: unknown[] = [];
      rows.push(row);
      for (let index = 0; index < length; index += 1) {
        cursor.budget -= 1;
        if (cursor.budget < 0) return rows;
        if (index < elements && !isContainerToken(cursor.bytes[cursor.at] ?? 0)) row.push(readValue(cursor, 2));
        else skipValue(cursor, 2);
      }
    }
  } catch {
    // The bytes from here on are not a valid message.
  }
  return rows;
};

/** An element of an array of arrays, and where its bytes are. */
export interface RowSpan {
  /** The first elements of the row. */
  readonly start: readonly unknown[];
  readonly from: number;
  /** The end of its bytes. */
  readonly to: number;
}

/** Returns the first elements of each array in an array, with the bytes of each; `null` for other bytes. */
export const unpackRowSpans = (bytes: Uint8Array, elements: number): readonly RowSpan[] | null => {
  const cursor = createCursor(bytes, Infinity);
  try {
    const rows: RowSpan[] = [];
    for (let left = readArrayLength(cursor) ?? 0; left > 0; left -= 1) {
      const from = cursor.at;
      const start: unknown[] = [];
      const length = readArrayLength(cursor) ?? throwCorrupt('is not an array');
      for (let index = 0; index < length; index += 1)
        if (index < elements && !isContainerToken(cursor.bytes[cursor.at] ?? 0)) start.push(readValue(cursor, 2));
        else skipValue(cursor, 2);
      rows.push({ start, from, to: cursor.at });
    }
    checkEnd(cursor);
    return rows;
  } catch {
    return null;
  }
};

/** Returns the array of some encoded values. */
export const packRows = (rows: readonly Uint8Array[]): Uint8Array => {
  const { length } = rows;
  const header =
    length < 16
      ? [0x90 + length]
      : length < 0x1_0000
        ? [0xdc, length >> 8, length & 0xff]
        : [0xdd, length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff];
  const all = new Uint8Array(rows.reduce((sum, { byteLength }) => sum + byteLength, header.length));
  all.set(header);
  let at = header.length;
  for (const row of rows) {
    all.set(row, at);
    at += row.byteLength;
  }
  return all;
};
