import { arrayLength, cursorOf, skipValue, torn, valueAt } from './msgpack.js';

/*
 * Parts of MessagePack that anybody may have sent, without making the rest of it.
 */

/** How many values some bytes hold, a record counting its names, too: as `unpacked` counts them. Throws for what is no MessagePack. */
export const countValues = (bytes: Uint8Array): number => {
  const cursor = cursorOf(bytes, Infinity);
  skipValue(cursor, 0);
  return bytes.byteLength - cursor.budget;
};

/** How many elements the array of some bytes says that it has; `null`: it is no array. */
export const lengthOfArray = (bytes: Uint8Array): number | null => arrayLength(cursorOf(bytes, Infinity));

const isContainer = (token: number): boolean => (token >= 0x80 && token < 0xa0) || (token >= 0xdc && token <= 0xdf);

/** Of an array of arrays the first elements of each but for arrays and records among them, at most so many of them: whatever follows is skipped. Throws for anything else. */
export const unpackedRows = (bytes: Uint8Array, rowsMax: number, elements: number): readonly (readonly unknown[])[] => {
  const cursor = cursorOf(bytes, Infinity);
  const rows: unknown[][] = [];
  const many = arrayLength(cursor) ?? torn('is no array');
  for (let at = 0; at < Math.min(many, rowsMax); at += 1) {
    const length = arrayLength(cursor) ?? torn('is no array');
    const row: unknown[] = [];
    for (let index = 0; index < length; index += 1) {
      if (index < elements && !isContainer(cursor.bytes[cursor.at] ?? 0)) row.push(valueAt(cursor, 2));
      else skipValue(cursor, 2);
    }
    rows.push(row);
  }
  return rows;
};
