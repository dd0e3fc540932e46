import { decodeValue, encodeValue } from '../lib/model/msgpack.js';
import { isLeft } from '../lib/model/result.js';
import type { SeededRandom } from './seeded-random.js';

/**
 * First bytes of MessagePack that announce wrong lengths or are rejected: extensions, lengths of gigabytes, the unused
 * type.
 */
const misleadingBytes = [
  ...[[0xc1], [0xc7, 0xff, 0x01], [0xd4, 0x00, 0x00], [0xd8, 0x72], [0xc9, 0xff, 0xff, 0xff, 0xff, 0x00]],
  ...[
    [0xdd, 0xff, 0xff, 0xff, 0xff],
    [0xdf, 0xff, 0xff, 0xff, 0xff],
    [0xdb, 0x7f, 0xff, 0xff, 0xff],
    [0xde, 0xff, 0xff],
  ],
  ...[
    [0xc6, 0xff, 0xff, 0xff, 0xff],
    [0xcf, 255, 255, 255, 255, 255, 255, 255, 255],
    [0xd3, 128, 0, 0, 0, 0, 0, 0, 0],
  ],
  ...[
    [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
    [0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
    [0xca, 0xff, 0x80, 0, 0],
    [0xd6, 0xff, 0, 0, 0, 0],
  ],
];

const joinBytes = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
};

export const randomBytes = (chance: SeededRandom, most: number): Uint8Array =>
  Uint8Array.from({ length: chance.below(most + 1) }, () => chance.below(256));

/** A run of such bytes. */
const pickRange = (chance: SeededRandom, bytes: Uint8Array): readonly [from: number, to: number] => {
  const from = chance.below(bytes.length + 1);
  return [from, Math.min(bytes.length, from + 1 + chance.below(12))];
};

/** Damages that networks, disks and invalid clients cause. */
const byteMutations: readonly ((chance: SeededRandom, bytes: Uint8Array, other: Uint8Array) => Uint8Array)[] = [
  (chance, bytes) => {
    const flipped = bytes.slice();
    const at = chance.below(bytes.length);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << chance.below(8));
    return flipped;
  },
  (chance, bytes) => {
    const set = bytes.slice();
    set[chance.below(bytes.length)] = chance.pick([0, 0x7f, 0x80, 0x90, 0xc0, 0xc4, 0xd9, 0xdc, 0xe0, 0xff]);
    return set;
  },
  (chance, bytes) => {
    const at = chance.below(bytes.length + 1);
    return joinBytes(bytes.subarray(0, at), randomBytes(chance, 8), bytes.subarray(at));
  },
  (chance, bytes) => {
    const [from, to] = pickRange(chance, bytes);
    return joinBytes(bytes.subarray(0, from), bytes.subarray(to));
  },
  (chance, bytes) => {
    const [from, to] = pickRange(chance, bytes);
    return joinBytes(bytes.subarray(0, to), bytes.subarray(from));
  },
  (chance, bytes) => bytes.subarray(0, chance.below(bytes.length + 1)),
  (chance, bytes, other) =>
    joinBytes(bytes.subarray(0, chance.below(bytes.length + 1)), other.subarray(chance.below(other.length + 1))),
  (chance, bytes) => {
    const at = chance.below(bytes.length + 1);
    return joinBytes(bytes.subarray(0, at), chance.pick(misleadingBytes), bytes.subarray(at + chance.below(3)));
  },
  (_, bytes, other) => joinBytes(bytes, other),
  (chance, bytes) => joinBytes(bytes, randomBytes(chance, 40)),
  // Nested arrays, deeper than any stack.
  (chance, bytes) =>
    joinBytes(bytes.subarray(0, chance.below(bytes.length + 1)), new Uint8Array(chance.pick([70, 50_000])).fill(0x91)),
];

/** The bytes of a frame with one to four damages. */
export const mutateBytes = (chance: SeededRandom, frame: Uint8Array, other: Uint8Array): Uint8Array => {
  let bytes = frame;
  for (let left = 1 + chance.below(chance.isLikely(0.8) ? 1 : 4); left > 0; left -= 1)
    bytes = chance.pick(byteMutations)(chance, bytes, other);
  return bytes;
};

const nest = (depth: number, inner: unknown): unknown => {
  let value = inner;
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

/** Values that code may have forgotten. */
const unusualValues: readonly ((chance: SeededRandom) => unknown)[] = [
  (chance) =>
    chance.pick([
      0,
      -0,
      -1,
      0.5,
      1e308,
      -1e308,
      NaN,
      Infinity,
      -Infinity,
      2 ** 31,
      2 ** 32,
      2 ** 53 - 1,
      2 ** 53,
      2 ** 63,
    ]),
  (chance) => chance.pick([null, true, false, '', [], {}, new Uint8Array(0)]),
  (chance) =>
    chance.pick(['__proto__', 'constructor', 'toString', 'a/b', '../..', '\u0000', '\ud800', '\u202e', ' ', 'é']),
  (chance) => 'x'.repeat(chance.pick([64, 65, 128, 129, 200, 201, 256, 257, 500, 501, 4096, 8193, 70_000])),
  (chance) => nest(chance.pick([2, 31, 32, 33, 63, 64, 65, 300]), chance.pick([null, 1, 'a'])),
  (chance) => Array.from({ length: chance.pick([1, 3, 999, 1_001, 5_000]) }, () => chance.pick([0, 'a', null])),
  (chance) =>
    Object.fromEntries([
      ['__proto__x', 1],
      ['constructor', 2],
      ['id', chance.below(9)],
    ]),
  (chance) => randomBytes(chance, 60),
  (chance) => chance.below(2 ** 31),
  (chance) => -chance.below(2 ** 31),
];

export const pickUnusualValue = (chance: SeededRandom): unknown => chance.pick(unusualValues)(chance);

/** A copy of a value with one part replaced, removed, duplicated or moved. */
export const mutateValue = (chance: SeededRandom, value: unknown): unknown => {
  if (Array.isArray(value) && value.length > 0 && chance.isLikely(0.85)) {
    const copy: unknown[] = [...(value as unknown[])];
    const at = chance.below(copy.length);
    const act = chance.below(10);
    if (act < 6) copy[at] = mutateValue(chance, copy[at]);
    else if (act === 6) copy.splice(at, 1);
    else if (act === 7) copy.splice(at, 0, copy[chance.below(copy.length)]);
    else if (act === 8) copy.push(pickUnusualValue(chance));
    else [copy[0], copy[at]] = [copy[at], copy[0]];
    return copy;
  }
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && chance.isLikely(0.85)) {
    const entries: [string, unknown][] = Object.entries(value);
    if (entries.length === 0) return { a: pickUnusualValue(chance) };
    const [name, inner] = chance.pick(entries);
    const act = chance.below(4);
    if (act === 0) return Object.fromEntries(entries.filter(([other]) => other !== name));
    if (act === 1)
      return Object.fromEntries([...entries, [chance.pick(['', 'x'.repeat(65), '__proto__x', 'a b']), inner]]);
    return { ...value, [name]: mutateValue(chance, inner) };
  }
  // Bytes may contain a value: the body of a changeset.
  if (value instanceof Uint8Array && value.length > 0 && chance.isLikely(0.8)) {
    const body = decodeValue(value);
    return isLeft(body) || chance.isLikely(0.2)
      ? mutateBytes(chance, value, value)
      : encodeValue(mutateValue(chance, body.right));
  }
  if (typeof value === 'number' && chance.isLikely(0.4)) return value + chance.pick([-1, 1, 2, 0.5, 1_000, 2 ** 31]);
  return pickUnusualValue(chance);
};

/** The bytes of a frame with a changed value; damaged bytes when the frame is not a value. */
export const mutateFrameValue = (chance: SeededRandom, frame: Uint8Array): Uint8Array => {
  const value = decodeValue(frame);
  if (isLeft(value)) return mutateBytes(chance, frame, frame);
  let twist = value.right;
  for (let left = 1 + chance.below(chance.isLikely(0.8) ? 1 : 4); left > 0; left -= 1)
    twist = mutateValue(chance, twist);
  return encodeValue(twist);
};
