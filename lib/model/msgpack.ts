/*
 * Reads MessagePack that anybody may have sent. Strict where a general reader is generous: no extensions, records or
 * references, one value and nothing after it, no deeper than `depthMax`, and never more work or memory than the bytes are
 * worth. (msgpackr's own reader takes seconds for a few megabytes of some extensions.)
 */

interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
  /** How many more elements there may be: each takes a byte at least, so a header cannot ask for more memory than it brought. */
  budget: number;
}

/** Arrays in arrays: what a value of ours takes by far, and no risk to the stack. */
const depthMax = 64;

/** Up to so many bytes reading by hand is quicker than the decoder. */
const shortStringBytesMax = 24;

/** Names of properties come again and again: so many are kept, and found by a few of their bytes. A power of two. */
const keysKept = 1_024;

// A byte order mark is a character of the string, not of its encoding.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** What the bytes are not. */
class Torn extends Error {
  override readonly name = 'Torn';
}

const torn = (what: string): never => {
  throw new Torn(what);
};

/** Steps over so many bytes and says where they begin. */
const taken = (cursor: Cursor, bytes: number): number => {
  const from = cursor.at;
  const to = from + bytes;
  if (to > cursor.bytes.byteLength) torn('ends too early');
  cursor.at = to;
  return from;
};

/** The string of some bytes that are ASCII, eight at a time because one at a time costs four times as much; `null` when they are not. */
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

/** Inside the bounds that `taken` has checked. */
const byteAt = (bytes: Uint8Array, at: number): number => bytes[at] as unknown as number;

const stringOf = (cursor: Cursor, length: number): string => {
  const { bytes } = cursor;
  const from = taken(cursor, length);
  const short = length <= shortStringBytesMax ? asciiOf(bytes, from, cursor.at) : null;
  return short ?? decoder.decode(bytes.subarray(from, cursor.at));
};

interface KeptKey {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** A cache, and nothing else: what it has forgotten is read again. */
const kept = new Array<KeptKey | undefined>(keysKept);

const isSame = (one: Uint8Array, other: Uint8Array, from: number): boolean => {
  for (let at = 0; at < one.byteLength; at += 1) if (one[at] !== other[from + at]) return false;
  return true;
};

/** The key of a record: a string, nearly always one that was read before. */
const keyAt = (cursor: Cursor, depth: number): unknown => {
  const { bytes, at } = cursor;
  const length = (bytes[at] ?? 0) - 0xa0;
  if (length < 1 || length > shortStringBytesMax || at + length >= bytes.byteLength) return valueAt(cursor, depth);
  const place = (length * 61 + byteAt(bytes, at + 1) * 7 + byteAt(bytes, at + length) * 31) & (keysKept - 1);
  const known = kept[place];
  cursor.at = at + 1;
  if (known?.bytes.byteLength === length && isSame(known.bytes, bytes, at + 1)) {
    cursor.at += length;
    return known.text;
  }
  const text = stringOf(cursor, length);
  kept[place] = { bytes: bytes.slice(at + 1, cursor.at), text };
  return text;
};

/** A view, of the plain kind also when the bytes are a `Buffer`. */
const bytesOf = (cursor: Cursor, bytes: number): Uint8Array =>
  new Uint8Array(cursor.bytes.buffer, cursor.bytes.byteOffset + taken(cursor, bytes), bytes);

const spend = (cursor: Cursor, elements: number, depth: number): void => {
  if (depth >= depthMax) torn(`deeper than ${depthMax}`);
  cursor.budget -= elements;
  if (cursor.budget < 0) torn('asks for more than it brings');
};

const arrayOf = (cursor: Cursor, length: number, depth: number): unknown[] => {
  spend(cursor, length, depth);
  const array = new Array<unknown>(length);
  for (let index = 0; index < length; index += 1) array[index] = valueAt(cursor, depth + 1);
  return array;
};

const recordOf = (cursor: Cursor, length: number, depth: number): Record<string, unknown> => {
  spend(cursor, length * 2, depth);
  const record: Record<string, unknown> = {};
  for (let index = 0; index < length; index += 1) {
    const key = keyAt(cursor, depth + 1);
    const value = valueAt(cursor, depth + 1);
    if (typeof key !== 'string') torn('has a key that is no string');
    else if (key !== '__proto__') record[key] = value;
    else Object.defineProperty(record, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return record;
};

/** Where the bytes of a number are put to be looked at: a view of each frame would cost more than most frames. */
const scratch = new Uint8Array(8);
const scratchView = new DataView(scratch.buffer);

const numberOf = (cursor: Cursor, length: number): DataView => {
  const from = taken(cursor, length);
  for (let at = 0; at < length; at += 1) scratch[at] = byteAt(cursor.bytes, from + at);
  return scratchView;
};

const u8 = (cursor: Cursor): number => byteAt(cursor.bytes, taken(cursor, 1));
const u16 = (cursor: Cursor): number => numberOf(cursor, 2).getUint16(0);
const u32 = (cursor: Cursor): number => numberOf(cursor, 4).getUint32(0);
const i32 = (cursor: Cursor): number => numberOf(cursor, 4).getInt32(0);

/** How a value goes on after its first byte; what is not here is not used here. */
const readers: Readonly<Record<number, (cursor: Cursor, depth: number) => unknown>> = {
  0xc0: () => null,
  0xc2: () => false,
  0xc3: () => true,
  0xc4: (cursor) => bytesOf(cursor, u8(cursor)),
  0xc5: (cursor) => bytesOf(cursor, u16(cursor)),
  0xc6: (cursor) => bytesOf(cursor, u32(cursor)),
  0xca: (cursor) => numberOf(cursor, 4).getFloat32(0),
  0xcb: (cursor) => numberOf(cursor, 8).getFloat64(0),
  0xcc: u8,
  0xcd: u16,
  0xce: u32,
  0xcf: (cursor) => u32(cursor) * 2 ** 32 + u32(cursor),
  0xd0: (cursor) => numberOf(cursor, 1).getInt8(0),
  0xd1: (cursor) => numberOf(cursor, 2).getInt16(0),
  0xd2: i32,
  0xd3: (cursor) => i32(cursor) * 2 ** 32 + u32(cursor),
  0xd9: (cursor) => stringOf(cursor, u8(cursor)),
  0xda: (cursor) => stringOf(cursor, u16(cursor)),
  0xdb: (cursor) => stringOf(cursor, u32(cursor)),
  0xdc: (cursor, depth) => arrayOf(cursor, u16(cursor), depth),
  0xdd: (cursor, depth) => arrayOf(cursor, u32(cursor), depth),
  0xde: (cursor, depth) => recordOf(cursor, u16(cursor), depth),
  0xdf: (cursor, depth) => recordOf(cursor, u32(cursor), depth),
};

const valueAt = (cursor: Cursor, depth: number): unknown => {
  const token = cursor.bytes[taken(cursor, 1)] ?? 0;
  if (token < 0x80) return token;
  if (token < 0x90) return recordOf(cursor, token & 0x0f, depth);
  if (token < 0xa0) return arrayOf(cursor, token & 0x0f, depth);
  if (token < 0xc0) return stringOf(cursor, token & 0x1f);
  if (token >= 0xe0) return token - 0x100;
  const reader = readers[token];
  return reader ? reader(cursor, depth) : torn(`has a value of a kind that is not used here: 0x${token.toString(16)}`);
};

/** The one value of some bytes. Throws when they are anything else. Byte values are views. */
export const unpacked = (bytes: Uint8Array): unknown => {
  const cursor: Cursor = { bytes, at: 0, budget: bytes.byteLength };
  const value = valueAt(cursor, 0);
  if (cursor.at !== bytes.byteLength) torn(`has ${bytes.byteLength - cursor.at} bytes after its end`);
  return value;
};
