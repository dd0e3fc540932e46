import { fromBytes, toBytes } from '../lib/model/bytes.js';
import { isLeft } from '../lib/model/result.js';
import type { Chance } from './chance.js';

/** First bytes of MessagePack that lie about what follows, or are refused: extensions, lengths of gigabytes, the one that is never used. */
const liars = [
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

const joined = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
};

export const randomBytes = (chance: Chance, most: number): Uint8Array =>
  Uint8Array.from({ length: chance.below(most + 1) }, () => chance.below(256));

/** A run of bytes of these. */
const cut = (chance: Chance, bytes: Uint8Array): readonly [from: number, to: number] => {
  const from = chance.below(bytes.length + 1);
  return [from, Math.min(bytes.length, from + 1 + chance.below(12))];
};

/** What lines and disks, and whoever writes his own client, do to bytes. */
const scars: readonly ((chance: Chance, bytes: Uint8Array, other: Uint8Array) => Uint8Array)[] = [
  (chance, bytes) => {
    const flipped = bytes.slice();
    const at = chance.below(bytes.length);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << chance.below(8));
    return flipped;
  },
  (chance, bytes) => {
    const set = bytes.slice();
    set[chance.below(bytes.length)] = chance.of([0, 0x7f, 0x80, 0x90, 0xc0, 0xc4, 0xd9, 0xdc, 0xe0, 0xff]);
    return set;
  },
  (chance, bytes) => {
    const at = chance.below(bytes.length + 1);
    return joined(bytes.subarray(0, at), randomBytes(chance, 8), bytes.subarray(at));
  },
  (chance, bytes) => {
    const [from, to] = cut(chance, bytes);
    return joined(bytes.subarray(0, from), bytes.subarray(to));
  },
  (chance, bytes) => {
    const [from, to] = cut(chance, bytes);
    return joined(bytes.subarray(0, to), bytes.subarray(from));
  },
  (chance, bytes) => bytes.subarray(0, chance.below(bytes.length + 1)),
  (chance, bytes, other) =>
    joined(bytes.subarray(0, chance.below(bytes.length + 1)), other.subarray(chance.below(other.length + 1))),
  (chance, bytes) => {
    const at = chance.below(bytes.length + 1);
    return joined(bytes.subarray(0, at), chance.of(liars), bytes.subarray(at + chance.below(3)));
  },
  (_, bytes, other) => joined(bytes, other),
  (chance, bytes) => joined(bytes, randomBytes(chance, 40)),
  // Arrays in arrays in arrays, deeper than any stack.
  (chance, bytes) =>
    joined(bytes.subarray(0, chance.below(bytes.length + 1)), new Uint8Array(chance.of([70, 50_000])).fill(0x91)),
];

/** The bytes of a frame with one to four scars. */
export const scarred = (chance: Chance, frame: Uint8Array, other: Uint8Array): Uint8Array => {
  let bytes = frame;
  for (let left = 1 + chance.below(chance.is(0.8) ? 1 : 4); left > 0; left -= 1)
    bytes = chance.of(scars)(chance, bytes, other);
  return bytes;
};

const nested = (depth: number, inner: unknown): unknown => {
  let value = inner;
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
};

/** Values that somebody may have forgotten. */
const oddities: readonly ((chance: Chance) => unknown)[] = [
  (chance) =>
    chance.of([
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
  (chance) => chance.of([null, true, false, '', [], {}, new Uint8Array(0)]),
  (chance) =>
    chance.of(['__proto__', 'constructor', 'toString', 'a/b', '../..', '\u0000', '\ud800', '\u202e', ' ', 'é']),
  (chance) => 'x'.repeat(chance.of([64, 65, 128, 129, 200, 201, 256, 257, 500, 501, 4096, 8193, 70_000])),
  (chance) => nested(chance.of([2, 31, 32, 33, 63, 64, 65, 300]), chance.of([null, 1, 'a'])),
  (chance) => Array.from({ length: chance.of([1, 3, 999, 1_001, 5_000]) }, () => chance.of([0, 'a', null])),
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

export const oddity = (chance: Chance): unknown => chance.of(oddities)(chance);

/** A copy of a value with something in it changed: replaced, taken out, put in twice, changed places. */
export const twisted = (chance: Chance, value: unknown): unknown => {
  if (Array.isArray(value) && value.length > 0 && chance.is(0.85)) {
    const copy: unknown[] = [...(value as unknown[])];
    const at = chance.below(copy.length);
    const act = chance.below(10);
    if (act < 6) copy[at] = twisted(chance, copy[at]);
    else if (act === 6) copy.splice(at, 1);
    else if (act === 7) copy.splice(at, 0, copy[chance.below(copy.length)]);
    else if (act === 8) copy.push(oddity(chance));
    else [copy[0], copy[at]] = [copy[at], copy[0]];
    return copy;
  }
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && chance.is(0.85)) {
    const entries: [string, unknown][] = Object.entries(value);
    if (entries.length === 0) return { a: oddity(chance) };
    const [name, inner] = chance.of(entries);
    const act = chance.below(4);
    if (act === 0) return Object.fromEntries(entries.filter(([other]) => other !== name));
    if (act === 1)
      return Object.fromEntries([...entries, [chance.of(['', 'x'.repeat(65), '__proto__x', 'a b']), inner]]);
    return { ...value, [name]: twisted(chance, inner) };
  }
  // Bytes may be a value again: the body of a changeset.
  if (value instanceof Uint8Array && value.length > 0 && chance.is(0.8)) {
    const body = fromBytes(value);
    return isLeft(body) || chance.is(0.2) ? scarred(chance, value, value) : toBytes(twisted(chance, body.right));
  }
  if (typeof value === 'number' && chance.is(0.4)) return value + chance.of([-1, 1, 2, 0.5, 1_000, 2 ** 31]);
  return oddity(chance);
};

/** The bytes of a frame whose value is twisted; scarred ones when it is none. */
export const twistedFrame = (chance: Chance, frame: Uint8Array): Uint8Array => {
  const value = fromBytes(frame);
  if (isLeft(value)) return scarred(chance, frame, frame);
  let twist = value.right;
  for (let left = 1 + chance.below(chance.is(0.8) ? 1 : 4); left > 0; left -= 1) twist = twisted(chance, twist);
  return toBytes(twist);
};
