import { fromBytes, toBytes } from '../model/bytes.js';
import { described } from '../model/errors.js';
import { isLeft, left, right, type Either } from '../model/result.js';
import { isValue, type Value } from '../model/value.js';
import { isVersion } from '../model/version.js';
import type { ObjectState } from './object.js';
import type { Stamp } from './stamp.js';

const packed = (stamp: Stamp | null): unknown => (stamp === null ? null : [stamp.time, stamp.count, stamp.replica]);

/** The bytes of a state: `[born, died, values]`, and the later stamps by property where there are some. */
export const encodeState = ({ born, died, values, later }: ObjectState): Uint8Array =>
  toBytes(
    later === null
      ? [packed(born), packed(died), values]
      : [
          packed(born),
          packed(died),
          values,
          Object.fromEntries(Object.entries(later).map(([name, stamp]) => [name, packed(stamp)])),
        ],
  );

const isRecord = (given: unknown): given is Record<string, unknown> =>
  typeof given === 'object' && given !== null && !Array.isArray(given) && !(given instanceof Uint8Array);

/** `undefined`: it is none. */
const stampOf = (given: unknown): Stamp | null | undefined => {
  if (given === null) return null;
  if (!Array.isArray(given)) return undefined;
  const [time, count, replica] = given as readonly unknown[];
  return isVersion(time) && isVersion(count) && typeof replica === 'string' ? { time, count, replica } : undefined;
};

/** The later stamps; `undefined` when they are none. Properties written together share one stamp again. */
const laterOf = (given: Record<string, unknown>): Record<string, Stamp> | undefined => {
  const later: Record<string, Stamp> = {};
  let last: Stamp | null = null;
  for (const name in given) {
    const stamp = stampOf(given[name]);
    if (!stamp) return undefined;
    const same: boolean =
      last !== null && last.time === stamp.time && last.count === stamp.count && last.replica === stamp.replica;
    last = same ? last : stamp;
    later[name] = last ?? stamp;
  }
  return later;
};

/** The state of some bytes, or why they are none. Never throws. */
export const decodeState = (bytes: Uint8Array): Either<string, ObjectState> => {
  const read = fromBytes(bytes);
  if (isLeft(read)) return left(`expected MessagePack: ${read.left}`);
  if (!Array.isArray(read.right)) return left(`expected an array, got ${described(read.right)}`);
  const [first, second, values, given] = read.right as readonly unknown[];
  const born = stampOf(first);
  const died = stampOf(second);
  if (born === undefined || died === undefined) return left('expected two stamps or nulls');
  if (!isRecord(values)) return left(`expected a map of values, got ${described(values)}`);
  for (const name in values) {
    if (!isValue(values[name])) return left(`${name}: expected a value, got ${described(values[name])}`);
  }
  if (given !== undefined && !isRecord(given)) return left(`expected a map of stamps, got ${described(given)}`);
  const later = given === undefined ? null : laterOf(given);
  if (later === undefined) return left('expected a map of stamps');
  return right({ born, died, values: values as Record<string, Value>, later });
};
