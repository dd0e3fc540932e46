import { decodeValueLeniently, encodeValue } from '../model/msgpack.js';
import { describeValue } from '../model/errors.js';
import { isLeft, left, right, type Either } from '../model/result.js';
import { isRecord, isValue, type Values } from '../model/value.js';
import { isCount } from '../model/version.js';
import { UnreadableError } from './decoders.js';
import type { ObjectState } from './object-state.js';
import type { CollectionStates } from './collection-state.js';
import { encodeCollections, readCollections } from './collection-codec.js';
import type { Stamp } from './timestamp.js';

const encodeStamp = (stamp: Stamp | null): unknown => stamp && [stamp.time, stamp.count, stamp.replica];

/** Groups names with the same stamp: `[time, count, replica, name, …]`. */
const groupsOf = (later: Readonly<Record<string, Stamp>>): readonly unknown[] => {
  const groups = new Map<Stamp, unknown[]>();
  for (const name in later) {
    const stamp = later[name];
    if (stamp === undefined) continue;
    const group = groups.get(stamp);
    if (group) group.push(name);
    else groups.set(stamp, [stamp.time, stamp.count, stamp.replica, name]);
  }
  return [...groups.values()];
};

/**
 * Encodes a state as it is stored: `[born, died, values]`, then a list of `[time, count, replica, name, …]` for
 * properties that were not written with `born`, then the collections. The last two are omitted where empty. A stamp is
 * `[time, count, replica]` or null.
 */
export const encodeState = ({ born, died, values, laterStamps, collections }: ObjectState): Uint8Array => {
  const state: unknown[] = [encodeStamp(born), encodeStamp(died), values];
  if (laterStamps !== null || collections !== null) state.push(laterStamps === null ? [] : groupsOf(laterStamps));
  if (collections !== null) state.push(encodeCollections(collections));
  return encodeValue(state);
};

/** Returns a stamp; `undefined` for any other value. */
const stampOf = (given: unknown): Stamp | undefined => {
  if (!Array.isArray(given)) return undefined;
  const [time, count, replica] = given as readonly unknown[];
  return isCount(time) && isCount(count) && typeof replica === 'string' ? { time, count, replica } : undefined;
};

const valuesOf = (given: unknown): Either<string, Values> => {
  if (!isRecord(given)) return left(`values must be a map, received ${describeValue(given)}`);
  for (const name in given) {
    // Assigned to another record, this value would become its prototype.
    if (name === '__proto__') return left(`values must have property names, received ${describeValue(name)}`);
    if (!isValue(given[name])) return left(`${name} must be a value, received ${describeValue(given[name])}`);
  }
  return right(given as Values);
};

/** Returns the stamps of values that were not written with `born`. */
const laterOf = (groups: unknown, values: Values): Either<string, Readonly<Record<string, Stamp>>> => {
  if (!Array.isArray(groups)) return left(`stamps must be a list, received ${describeValue(groups)}`);
  const later: Record<string, Stamp> = {};
  for (const group of groups as readonly unknown[]) {
    const stamp = stampOf(group);
    if (stamp === undefined) return left(`stamps must hold stamps, received ${describeValue(group)}`);
    for (const name of (group as readonly unknown[]).slice(3)) {
      if (typeof name !== 'string' || !Object.hasOwn(values, name) || Object.hasOwn(later, name)) {
        return left(`stamps must name each value once, received ${describeValue(name)}`);
      }
      later[name] = stamp;
    }
  }
  return right(later);
};

const collectionsOf = (given: unknown): Either<string, CollectionStates> => {
  try {
    return right(given === undefined ? null : readCollections(given));
  } catch (thrown) {
    if (thrown instanceof UnreadableError) return left(thrown.message);
    throw thrown;
  }
};

/** Decodes a state, or returns why the bytes are invalid. Never throws. */
export const decodeState = (bytes: Uint8Array): Either<string, ObjectState> => {
  const read = decodeValueLeniently(bytes);
  if (isLeft(read)) return left(`invalid MessagePack: ${read.left}`);
  if (!Array.isArray(read.right)) return left(`state must be an array, received ${describeValue(read.right)}`);
  const [first, second, third, groups, fifth] = read.right as readonly unknown[];
  const born = first === null ? null : stampOf(first);
  const died = second === null ? null : stampOf(second);
  if (born === undefined) return left(`born must be a stamp or null, received ${describeValue(first)}`);
  if (died === undefined) return left(`died must be a stamp or null, received ${describeValue(second)}`);
  const values = valuesOf(third);
  if (isLeft(values)) return values;
  const later = groups === undefined ? right(null) : laterOf(groups, values.right);
  if (isLeft(later)) return later;
  if (born === null && Object.keys(values.right).length !== Object.keys(later.right ?? {}).length) {
    return left('stamps must name every value of an object that was never created');
  }
  const parts = collectionsOf(fifth);
  if (isLeft(parts)) return parts;
  const stamps = later.right !== null && Object.keys(later.right).length === 0 ? null : later.right;
  return right({ born, died, values: values.right, laterStamps: stamps, collections: parts.right });
};
