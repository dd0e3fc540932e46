import { encodeValue } from '../../lib/model/msgpack.js';

/** Marks a hole in a value for `encodeWithHoles`. */
export const hole = '~hole~';

/** Encodes arrays with holes as earlier versions did: each hole is an extension of type 0 with one byte. */
export const encodeWithHoles = (value: unknown): Uint8Array => {
  const text = encodeValue(hole);
  const bytes = [...encodeValue(value)];
  const isAt = (at: number): boolean => text.every((byte, index) => bytes[at + index] === byte);
  for (let at = bytes.length - 1; at >= 0; at -= 1) if (isAt(at)) bytes.splice(at, text.byteLength, 0xd4, 0, 0);
  return Uint8Array.from(bytes);
};
