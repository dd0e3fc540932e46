import { isBytes, utf8Encoder } from './built-ins.js';

/*
 * Writes MessagePack: null, booleans, numbers, strings, bytes, arrays and plain records, each in its shortest form.
 * Whole numbers beyond 32 bits are written as floats, which hold all exact numbers. A general library would be a sixth
 * of a browser's bundle, mostly for types that are not used here. `msgpack-reader.ts` reads.
 *
 * `writeValue` reserves a token and eight bytes before each value, so that most functions below need no check
 * (measured).
 */

/** Bytes of the buffers that small values share: as many as a few hundred changesets take. */
const sharedBytes = 8 * 1024;

/** Up to this length, writing ASCII by hand is faster than the encoder. */
const shortCharsMax = 40;

/** Bytes of a value of fixed size: a token and eight bytes. */
const scalarBytes = 9;

let buffer = new Uint8Array(sharedBytes);
let view = new DataView(buffer.buffer);
let end = sharedBytes;
/** Where the current value begins, and where writing continues. */
let start = 0;
let at = 0;

const useBuffer = (next: Uint8Array<ArrayBuffer>): void => {
  buffer = next;
  view = new DataView(next.buffer);
  end = next.byteLength;
};

/** Continues in another buffer that has room for some more bytes. */
const grow = (bytes: number): void => {
  const written = buffer.subarray(start, at);
  const needed = written.byteLength + bytes;
  useBuffer(new Uint8Array(needed <= sharedBytes ? sharedBytes : 2 * needed));
  buffer.set(written);
  at = written.byteLength;
  start = 0;
};

const reserve = (bytes: number): void => {
  if (at + bytes > end) grow(bytes);
};

/** Writes a token and a number of one, two or four bytes. */
const writeSized = (token: number, size: 1 | 2 | 4, value: number): void => {
  buffer[at] = token;
  if (size === 1) buffer[at + 1] = value;
  else if (size === 2) view.setUint16(at + 1, value);
  else view.setUint32(at + 1, value);
  at += 1 + size;
};

/** Writes the head of an array or a record: the length is in the token, or in 16 or 32 bits after it. */
const writeCount = (short: number, token: number, count: number): void => {
  if (count < 0x10) buffer[at++] = short + count;
  else if (count < 0x10000) writeSized(token, 2, count);
  else writeSized(token + 1, 4, count);
};

/** Writes the head of a text or of bytes whose length is not in the token but in 8, 16 or 32 bits after it. */
const writeLength = (token: number, length: number): void => {
  if (length < 0x100) writeSized(token, 1, length);
  else if (length < 0x10000) writeSized(token + 1, 2, length);
  else writeSized(token + 2, 4, length);
};

const writeNumber = (value: number): void => {
  if (value >>> 0 === value) {
    if (value < 0x80) buffer[at++] = value;
    else if (value < 0x100) writeSized(0xcc, 1, value);
    else if (value < 0x10000) writeSized(0xcd, 2, value);
    else writeSized(0xce, 4, value);
  } else if (value >> 0 === value) {
    if (value >= -0x20) buffer[at++] = value + 0x100;
    else if (value >= -0x80) writeSized(0xd0, 1, value);
    else if (value >= -0x8000) writeSized(0xd1, 2, value);
    else writeSized(0xd2, 4, value);
  } else {
    buffer[at] = 0xcb;
    view.setFloat64(at + 1, value);
    at += scalarBytes;
  }
};

/**
 * Writes a short text if all its characters are ASCII. Otherwise returns `false` and writes nothing. The caller
 * reserves the room.
 */
const tryWriteAscii = (text: string): boolean => {
  const { length } = text;
  const from = at + (length < 0x20 ? 1 : 2);
  for (let index = 0; index < length; index += 1) {
    const code = text.charCodeAt(index);
    if (code >= 0x80) return false;
    buffer[from + index] = code;
  }
  if (length < 0x20) buffer[at] = 0xa0 + length;
  else {
    buffer[at] = 0xd9;
    buffer[at + 1] = length;
  }
  at = from + length;
  return true;
};

/** Returns the size of the head of a text, by the number of its bytes. */
const headOf = (bytes: number): number => (bytes < 0x20 ? 1 : bytes < 0x100 ? 2 : bytes < 0x10000 ? 3 : 5);

/** Writes a text of any length. Tries with one byte for each character first; when these are too few, with three. */
const writeText = (text: string, room: number): void => {
  reserve(10 + room);
  const guessed = headOf(text.length); // The final head has at least this size.
  const { read, written } = utf8Encoder.encodeInto(text, buffer.subarray(at + guessed, end - 5));
  if (read < text.length) {
    writeText(text, 3 * text.length);
    return;
  }
  const head = headOf(written);
  if (head !== guessed) buffer.copyWithin(at + head, at + guessed, at + guessed + written);
  if (head === 1) buffer[at++] = 0xa0 + written;
  else writeLength(0xd9, written);
  at += written;
};

const writeString = (text: string): void => {
  if (text.length <= shortCharsMax) {
    reserve(shortCharsMax + 2);
    if (tryWriteAscii(text)) return;
  }
  writeText(text, text.length);
};

const writeBytes = (bytes: Uint8Array): void => {
  reserve(5 + bytes.byteLength);
  writeLength(0xc4, bytes.byteLength);
  buffer.set(bytes, at);
  at += bytes.byteLength;
};

const writeRecord = (record: Readonly<Record<string, unknown>>): void => {
  const names = Object.keys(record);
  writeCount(0x80, 0xde, names.length);
  for (const name of names) {
    writeString(name);
    writeValue(record[name]);
  }
};

const writeArray = (array: readonly unknown[]): void => {
  writeCount(0x90, 0xdc, array.length);
  for (const element of array) writeValue(element);
};

const writeObject = (value: object): void => {
  if (Array.isArray(value)) writeArray(value);
  else if (isBytes(value)) writeBytes(value);
  else writeRecord(value as Readonly<Record<string, unknown>>);
};

const writeValue = (value: unknown): void => {
  reserve(scalarBytes);
  if (typeof value === 'string') writeString(value);
  else if (typeof value === 'number') writeNumber(value);
  else if (typeof value === 'boolean') buffer[at++] = value ? 0xc3 : 0xc2;
  else if (value === null || value === undefined) buffer[at++] = 0xc0;
  else if (typeof value === 'object') writeObject(value);
  else {
    const expected = 'null, a boolean, a number, a string, bytes, an array or a record';
    throw new TypeError(`A MessagePack value must be ${expected}, received ${typeof value}.`);
  }
};

/** Returns the bytes just written. They are copied when the buffer is much larger, so that the buffer can be freed. */
const takeWritten = (): Uint8Array => {
  const bytes = buffer.subarray(start, at);
  if (buffer.byteLength === sharedBytes) return bytes;
  const isWasteful = buffer.byteLength - bytes.byteLength > bytes.byteLength / 3;
  useBuffer(new Uint8Array(sharedBytes));
  at = 0;
  return isWasteful ? bytes.slice() : bytes;
};

/**
 * Writes a value.
 *
 * @returns The bytes, which belong to the caller: a part of a buffer that is filled once, from its start to its end.
 * @throws TypeError for a value of another type. A value that contains itself overflows the stack.
 */
export const pack = (value: unknown): Uint8Array => {
  start = at;
  try {
    writeValue(value);
    return takeWritten();
  } catch (thrown) {
    useBuffer(new Uint8Array(sharedBytes));
    at = 0;
    throw thrown;
  }
};
