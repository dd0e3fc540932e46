import { readArrayLength, createCursor, skipValue, throwCorrupt, readValue } from './msgpack-reader.js';

/*
 * Parts of MessagePack that anybody may have sent, without making the rest of it.
 */

/**
 * How many values some bytes hold, a record counting its names, too: as `unpacked` counts them. Throws for what is no
 * MessagePack.
 */
export const countValues = (bytes: Uint8Array): number => {
  const cursor = createCursor(bytes, Infinity);
  skipValue(cursor, 0);
  return bytes.byteLength - cursor.budget;
};

/**
 * Whether some bytes hold more values than that, as far as they can be read: at a twentieth of what it costs to make
 * them.
 */
export const hasMoreValuesThan = (bytes: Uint8Array, valuesMax: number): boolean => {
  if (bytes.byteLength <= valuesMax) return false; // Each takes a byte at least.
  const cursor = createCursor(bytes, valuesMax);
  try {
    skipValue(cursor, 0);
  } catch {
    // Which of the two it is, is told by what is left.
  }
  return cursor.budget < 0;
};

/** How many elements the array of some bytes says that it has; `null`: it is no array. */
export const arrayLengthOf = (bytes: Uint8Array): number | null => readArrayLength(createCursor(bytes, Infinity));

const isContainer = (token: number): boolean => (token >= 0x80 && token < 0xa0) || (token >= 0xdc && token <= 0xdf);

/**
 * Of an array of arrays the first elements of each but for arrays and records among them, as many arrays as there are
 * in the first so many values: whatever follows is skipped. Of what is not that it gives those before.
 */
export const unpackRows = (bytes: Uint8Array, valuesMax: number, elements: number): readonly (readonly unknown[])[] => {
  const cursor = createCursor(bytes, valuesMax);
  const rows: unknown[][] = [];
  try {
    for (let left = readArrayLength(cursor) ?? 0; left > 0; left -= 1) {
      const length = readArrayLength(cursor) ?? throwCorrupt('is no array');
      const row: unknown[] = [];
      rows.push(row);
      for (let index = 0; index < length; index += 1) {
        cursor.budget -= 1;
        if (cursor.budget < 0) return rows;
        if (index < elements && !isContainer(cursor.bytes[cursor.at] ?? 0)) row.push(readValue(cursor, 2));
        else skipValue(cursor, 2);
      }
    }
  } catch {
    // It is no message of ours from here on.
  }
  return rows;
};
