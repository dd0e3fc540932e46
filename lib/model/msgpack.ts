/*
 * Reads MessagePack that anybody may have sent. Strict where a general reader is generous: no extensions, records or
 * references, one value and nothing after it, no deeper than `depthMax`, and never more work or memory than the bytes are
 * worth. (msgpackr's own reader takes seconds for a few megabytes of some extensions.)
 */

interface Cursor {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
  /** How many more elements there may be: each takes a byte at least, so a header cannot ask for more memory than it brought. */
  budget: number;
}

/** Arrays in arrays: what a value of ours takes by far, and no risk to the stack. */
const depthMax = 64;

/** Up to so many bytes a loop is quicker than the decoder. */
const shortStringBytesMax = 24;

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

const stringOf = (cursor: Cursor, bytes: number): string => {
  const from = taken(cursor, bytes);
  if (bytes <= shortStringBytesMax) {
    let text = '';
    let at = from;
    for (; at < cursor.at; at += 1) {
      const unit = cursor.bytes[at] ?? 0x80;
      if (unit >= 0x80) break;
      text += String.fromCharCode(unit);
    }
    if (at === cursor.at) return text;
  }
  return decoder.decode(cursor.bytes.subarray(from, cursor.at));
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
    const key = valueAt(cursor, depth + 1);
    const value = valueAt(cursor, depth + 1);
    if (typeof key !== 'string') torn('has a key that is no string');
    else if (key !== '__proto__') record[key] = value;
    else Object.defineProperty(record, key, { value, enumerable: true, writable: true, configurable: true });
  }
  return record;
};

const u8 = (cursor: Cursor): number => cursor.view.getUint8(taken(cursor, 1));
const u16 = (cursor: Cursor): number => cursor.view.getUint16(taken(cursor, 2));
const u32 = (cursor: Cursor): number => cursor.view.getUint32(taken(cursor, 4));
const i32 = (cursor: Cursor): number => cursor.view.getInt32(taken(cursor, 4));

/** How a value goes on after its first byte; what is not here is not used here. */
const readers: Readonly<Record<number, (cursor: Cursor, depth: number) => unknown>> = {
  0xc0: () => null,
  0xc2: () => false,
  0xc3: () => true,
  0xc4: (cursor) => bytesOf(cursor, u8(cursor)),
  0xc5: (cursor) => bytesOf(cursor, u16(cursor)),
  0xc6: (cursor) => bytesOf(cursor, u32(cursor)),
  0xca: (cursor) => cursor.view.getFloat32(taken(cursor, 4)),
  0xcb: (cursor) => cursor.view.getFloat64(taken(cursor, 8)),
  0xcc: u8,
  0xcd: u16,
  0xce: u32,
  0xcf: (cursor) => u32(cursor) * 2 ** 32 + u32(cursor),
  0xd0: (cursor) => cursor.view.getInt8(taken(cursor, 1)),
  0xd1: (cursor) => cursor.view.getInt16(taken(cursor, 2)),
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
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const cursor: Cursor = { bytes, view, at: 0, budget: bytes.byteLength };
  const value = valueAt(cursor, 0);
  if (cursor.at !== bytes.byteLength) torn(`has ${bytes.byteLength - cursor.at} bytes after its end`);
  return value;
};
