import { utf8Decoder } from './built-ins.js';

/*
 * Reads MessagePack from untrusted sources. The reader is strict: no extensions or references, one value and nothing
 * after it, at most `depthMax` levels, and no more work or memory than the number of bytes justifies. (msgpackr's
 * reader takes seconds for a few megabytes of some extensions.) The caller bounds the number of values, because a value
 * of one byte can take 100 bytes of memory. Values are counted before they are created.
 */

export interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
  /**
   * Number of further elements that the value may hold. Each takes at least a byte, so that a header cannot reserve
   * more memory than its message has bytes.
   */
  budget: number;
  /** Largest number of values, when that is fewer than the bytes. */
  readonly valuesMax: number;
  /** Whether arrays may have holes: earlier versions stored holes as an extension. */
  readonly hasHoles: boolean;
}

/** Nested arrays and records: far more than stored values have, and safe for the stack. */
const depthMax = 64;

/** Up to this length, decoding ASCII by hand is faster than the decoder. */
const shortStringBytesMax = 24;

/** Number of cached record keys, found by a few of their bytes. A power of two. Property names repeat often. */
const cachedKeysMax = 1_024;

/** The bytes are not valid MessagePack. */
class CorruptBytesError extends Error {
  override readonly name = 'CorruptBytesError';
}

export const throwCorrupt = (what: string): never => {
  throw new CorruptBytesError(what);
};

const throwUnusedToken = (token: number): never =>
  throwCorrupt(`has a value of a kind that is not used here: 0x${token.toString(16)}`);

/** Skips some bytes and returns where they begin. */
export const skipBytes = (cursor: Cursor, bytes: number): number => {
  const from = cursor.at;
  const to = from + bytes;
  if (to > cursor.bytes.byteLength) throwCorrupt('ends too early');
  cursor.at = to;
  return from;
};

/**
 * Returns ASCII bytes as a string; `null` when they are not ASCII. Eight at a time, because one at a time takes four
 * times as long.
 */
const asciiOf = (bytes: Uint8Array, from: number, to: number): string | null => {
  let text = '';
  let at = from;
  for (; at + 8 <= to; at += 8) {
    const a = byteAt(bytes, at);
    const b = byteAt(bytes, at + 1);
    const c = byteAt(bytes, at + 2);
    const d = byteAt(bytes, at + 3);
    const e = byteAt(bytes, at + 4);
    const f = byteAt(bytes, at + 5);
    const g = byteAt(bytes, at + 6);
    const h = byteAt(bytes, at + 7);
    if ((a | b | c | d | e | f | g | h) >= 0x80) return null;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  for (; at + 3 <= to; at += 3) {
    const a = byteAt(bytes, at);
    const b = byteAt(bytes, at + 1);
    const c = byteAt(bytes, at + 2);
    if ((a | b | c) >= 0x80) return null;
    text += String.fromCharCode(a, b, c);
  }
  for (; at < to; at += 1) {
    const a = byteAt(bytes, at);
    if (a >= 0x80) return null;
    text += String.fromCharCode(a);
  }
  return text;
};

/** Reads a byte inside the bounds that `skipBytes` has checked. */
const byteAt = (bytes: Uint8Array, at: number): number => bytes[at] as unknown as number;

const readString = (cursor: Cursor, length: number): string => {
  const { bytes } = cursor;
  const from = skipBytes(cursor, length);
  const short = length <= shortStringBytesMax ? asciiOf(bytes, from, cursor.at) : null;
  return short ?? utf8Decoder.decode(bytes.subarray(from, cursor.at));
};

interface CachedKey {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** A cache only: a key outside the cache is decoded again. */
const keyCache = new Array<CachedKey | undefined>(cachedKeysMax);

const isSame = (one: Uint8Array, other: Uint8Array, from: number): boolean => {
  for (let at = 0; at < one.byteLength; at += 1) if (one[at] !== other[from + at]) return false;
  return true;
};

/** Reads the key of a record: a string, nearly always one that was read before. */
const readKey = (cursor: Cursor, depth: number): unknown => {
  const { bytes, at } = cursor;
  const length = (bytes[at] ?? 0) - 0xa0;
  if (length < 1 || length > shortStringBytesMax || at + length >= bytes.byteLength) return readValue(cursor, depth);
  const slot = (length * 61 + byteAt(bytes, at + 1) * 7 + byteAt(bytes, at + length) * 31) & (cachedKeysMax - 1);
  const cached = keyCache[slot];
  cursor.at = at + 1;
  if (cached?.bytes.byteLength === length && isSame(cached.bytes, bytes, at + 1)) {
    cursor.at += length;
    return cached.text;
  }
  const text = readString(cursor, length);
  keyCache[slot] = { bytes: bytes.slice(at + 1, cursor.at), text };
  return text;
};

/** Returns a view that is a plain `Uint8Array` even when the bytes are a `Buffer`. */
const readBytes = (cursor: Cursor, bytes: number): Uint8Array =>
  new Uint8Array(cursor.bytes.buffer, cursor.bytes.byteOffset + skipBytes(cursor, bytes), bytes);

/** Counts elements that the value holds, at a depth. */
export const spend = (cursor: Cursor, elements: number, depth: number): void => {
  if (depth >= depthMax) throwCorrupt(`has more than ${depthMax} nested levels`);
  cursor.budget -= elements;
  if (cursor.budget >= 0) return;
  throwCorrupt(
    cursor.valuesMax < cursor.bytes.byteLength
      ? `holds more than ${cursor.valuesMax} values`
      : 'announces more elements than it has bytes',
  );
};

const readArray = (cursor: Cursor, length: number, depth: number): unknown[] => {
  spend(cursor, length, depth);
  const array = new Array<unknown>(length);
  for (let index = 0; index < length; index += 1) array[index] = readValue(cursor, depth + 1);
  return array;
};

const readRecord = (cursor: Cursor, length: number, depth: number): Record<string, unknown> => {
  spend(cursor, length * 2, depth);
  const record: Record<string, unknown> = {};
  for (let index = 0; index < length; index += 1) {
    const key = readKey(cursor, depth + 1);
    const value = readValue(cursor, depth + 1);
    if (typeof key !== 'string') throwCorrupt('has a key that is not a string');
    else if (key !== '__proto__') record[key] = value;
    else Object.defineProperty(record, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return record;
};

/** Holds the bytes of a number while it is read: a view of each frame would cost more than most frames. */
const scratch = new Uint8Array(8);
const scratchView = new DataView(scratch.buffer);

const readNumberBytes = (cursor: Cursor, length: number): DataView => {
  const from = skipBytes(cursor, length);
  for (let at = 0; at < length; at += 1) scratch[at] = byteAt(cursor.bytes, from + at);
  return scratchView;
};

const readUint8 = (cursor: Cursor): number => byteAt(cursor.bytes, skipBytes(cursor, 1));
const readUint16 = (cursor: Cursor): number => readNumberBytes(cursor, 2).getUint16(0);
const readUint32 = (cursor: Cursor): number => readNumberBytes(cursor, 4).getUint32(0);
const readInt32 = (cursor: Cursor): number => readNumberBytes(cursor, 4).getInt32(0);

/** Reads the rest of a value by its first byte. Other first bytes are invalid here. */
const readers: Readonly<Record<number, (cursor: Cursor, depth: number) => unknown>> = {
  0xc0: () => null,
  0xc2: () => false,
  0xc3: () => true,
  0xc4: (cursor) => readBytes(cursor, readUint8(cursor)),
  0xc5: (cursor) => readBytes(cursor, readUint16(cursor)),
  0xc6: (cursor) => readBytes(cursor, readUint32(cursor)),
  0xca: (cursor) => readNumberBytes(cursor, 4).getFloat32(0),
  0xcb: (cursor) => readNumberBytes(cursor, 8).getFloat64(0),
  0xcc: readUint8,
  0xcd: readUint16,
  0xce: readUint32,
  0xcf: (cursor) => readUint32(cursor) * 2 ** 32 + readUint32(cursor),
  0xd0: (cursor) => readNumberBytes(cursor, 1).getInt8(0),
  0xd1: (cursor) => readNumberBytes(cursor, 2).getInt16(0),
  0xd2: readInt32,
  0xd3: (cursor) => readInt32(cursor) * 2 ** 32 + readUint32(cursor),
  0xd9: (cursor) => readString(cursor, readUint8(cursor)),
  0xda: (cursor) => readString(cursor, readUint16(cursor)),
  0xdb: (cursor) => readString(cursor, readUint32(cursor)),
  0xdc: (cursor, depth) => readArray(cursor, readUint16(cursor), depth),
  0xdd: (cursor, depth) => readArray(cursor, readUint32(cursor), depth),
  0xde: (cursor, depth) => readRecord(cursor, readUint16(cursor), depth),
  0xdf: (cursor, depth) => readRecord(cursor, readUint32(cursor), depth),
};

export const readValue = (cursor: Cursor, depth: number): unknown => {
  const token = cursor.bytes[skipBytes(cursor, 1)] ?? 0;
  if (token < 0x80) return token;
  if (token < 0x90) return readRecord(cursor, token & 0x0f, depth);
  if (token < 0xa0) return readArray(cursor, token & 0x0f, depth);
  if (token < 0xc0) return readString(cursor, token & 0x1f);
  if (token >= 0xe0) return token - 0x100;
  const reader = readers[token];
  if (reader) return reader(cursor, depth);
  return token === 0xd4 && cursor.hasHoles && readUint16(cursor) === 0 ? null : throwUnusedToken(token);
};

/** Whether a value with this first byte is an array or a record. */
export const isContainerToken = (token: number): boolean =>
  (token >= 0x80 && token < 0xa0) || (token >= 0xdc && token <= 0xdf);

/** Number of bytes after the first byte of a value of fixed size. */
const fixedBytes: Readonly<Record<number, number>> = {
  ...{ 0xc0: 0, 0xc2: 0, 0xc3: 0, 0xca: 4, 0xcb: 8, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8 },
  ...{ 0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8 },
};

/** Reads a length of 1, 2 or 4 bytes. */
const lengthReaders = [readUint8, readUint16, readUint32] as const;
const readLength = (cursor: Cursor, width: number): number => (lengthReaders[width] as typeof readUint8)(cursor);

const isStringToken = (token: number): boolean => (token >= 0xa0 && token < 0xc0) || (token >= 0xd9 && token <= 0xdb);

/** Reads the header of a string and returns the number of its bytes. */
export const readStringLength = (cursor: Cursor): number => {
  const token = cursor.bytes[cursor.at] ?? 0;
  if (!isStringToken(token)) throwCorrupt('has no string where one is expected');
  cursor.at += 1;
  return token < 0xc0 ? token & 0x1f : readLength(cursor, token - 0xd9);
};

const skipArray = (cursor: Cursor, length: number, depth: number): void => {
  spend(cursor, length, depth);
  for (let left = length; left > 0; left -= 1) skipValue(cursor, depth + 1);
};

const skipRecord = (cursor: Cursor, length: number, depth: number): void => {
  spend(cursor, length * 2, depth);
  for (let left = length; left > 0; left -= 1) {
    if (!isStringToken(cursor.bytes[cursor.at] ?? 0)) throwCorrupt('has a key that is not a string');
    skipValue(cursor, depth + 1);
    skipValue(cursor, depth + 1);
  }
};

/** Skips one value without creating it. Rejects the same bytes as `readValue`, but does not look into strings. */
export const skipValue = (cursor: Cursor, depth: number): void => {
  const token = byteAt(cursor.bytes, skipBytes(cursor, 1));
  if (token < 0x80 || token >= 0xe0) return;
  const bytes = fixedBytes[token];
  if (token < 0x90) skipRecord(cursor, token & 0x0f, depth);
  else if (token < 0xa0) skipArray(cursor, token & 0x0f, depth);
  else if (token < 0xc0) skipBytes(cursor, token & 0x1f);
  else if (bytes !== undefined) skipBytes(cursor, bytes);
  else if (token >= 0xc4 && token <= 0xc6) skipBytes(cursor, readLength(cursor, token - 0xc4));
  else if (token >= 0xd9 && token <= 0xdb) skipBytes(cursor, readLength(cursor, token - 0xd9));
  else if (token === 0xdc || token === 0xdd) skipArray(cursor, readLength(cursor, token - 0xdb), depth);
  else if (token === 0xde || token === 0xdf) skipRecord(cursor, readLength(cursor, token - 0xdd), depth);
  else throwUnusedToken(token);
};

/** Made for every body: a literal, because spreading an object took a tenth of a busy server's time. */
export const createCursor = (bytes: Uint8Array, valuesMax: number, hasHoles = false): Cursor => ({
  bytes,
  at: 0,
  budget: Math.min(bytes.byteLength, valuesMax),
  valuesMax,
  hasHoles,
});

/** Throws when bytes follow the value. */
export const checkEnd = ({ bytes, at }: Cursor): void => {
  if (at !== bytes.byteLength) throwCorrupt(`has ${bytes.byteLength - at} bytes after its end`);
};

/**
 * Returns the one value of some bytes. Byte values are views of `bytes`.
 *
 * @param valuesMax - The largest number of elements in all.
 * @param hasHoles - Whether arrays may have holes, which become null.
 * @throws CorruptBytesError for any other bytes.
 */
export const unpack = (bytes: Uint8Array, valuesMax: number, hasHoles = false): unknown => {
  const cursor = createCursor(bytes, valuesMax, hasHoles);
  const value = readValue(cursor, 0);
  checkEnd(cursor);
  return value;
};

/** Reads the header of an array and returns its length; `null`, without reading anything, when it is not an array. */
export const readArrayLength = (cursor: Cursor): number | null => {
  const token = cursor.bytes[cursor.at] ?? 0;
  if (token < 0x90 || (token >= 0xa0 && token !== 0xdc && token !== 0xdd)) return null;
  cursor.at += 1;
  return token < 0xa0 ? token & 0x0f : readLength(cursor, token - 0xdb);
};

/** Reads the header of a record and returns its length; `null`, without reading anything, when it is not a record. */
export const readRecordLength = (cursor: Cursor): number | null => {
  const token = cursor.bytes[cursor.at] ?? 0;
  if (token < 0x80 || (token >= 0x90 && token !== 0xde && token !== 0xdf)) return null;
  cursor.at += 1;
  return token < 0x90 ? token & 0x0f : readLength(cursor, token - 0xdd);
};

/**
 * Reads only the beginning of an array: its first element, and the number of further ones that `wanted` returns for it.
 * The other elements are skipped, but count as values. A value that is not an array is read as a whole.
 */
export const unpackArrayStart = (bytes: Uint8Array, valuesMax: number, wanted: (first: unknown) => number): unknown => {
  const cursor = createCursor(bytes, valuesMax);
  const length = readArrayLength(cursor);
  if (length === null) return unpack(bytes, valuesMax);
  spend(cursor, length, 0);
  const array: unknown[] = [];
  for (let index = 0, end = 1; index < length; index += 1) {
    if (index >= end) skipValue(cursor, 1);
    else array.push(readValue(cursor, 1));
    if (index === 0) end += wanted(array[0]);
  }
  checkEnd(cursor);
  return array;
};
