import type { Instant } from '../model/changeset.js';
import { described } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { isRecord, ownValue, isValue, type Key, type Value, type Values } from '../model/value.js';
import { isVersion } from '../model/version.js';
import type { ElementId } from './element.js';
import type { Operation } from './operation.js';
import { isPlaceKey } from './place.js';
import type { Stamp } from './stamp.js';

/** What some bytes were to hold, and what they do. Caught where the bytes are read. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';

  constructor(field: string, expected: string, received: unknown) {
    super(`${field}: expected ${expected}, got ${described(received)}`);
  }
}

export const checked = <T>(field: string, expected: string, is: (given: unknown) => given is T, given: unknown): T => {
  if (is(given)) return given;
  throw new Unreadable(field, expected, given);
};

const name = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const loneSurrogate = /\p{Surrogate}/u;

export const isName = (given: unknown): given is string => typeof given === 'string' && name.test(given);

export const isKey = Object.assign(
  (given: unknown): given is Key =>
    typeof given === 'string'
      ? given.length > 0 && given.length <= limits.keyCharsMax && !loneSurrogate.test(given)
      : Number.isSafeInteger(given),
  { expected: `1 to ${limits.keyCharsMax} characters or a whole number` },
);

const isReplica = (given: unknown): given is string =>
  typeof given === 'string' && given.length > 0 && given.length <= limits.idCharsMax;

const array = (field: string, given: unknown): readonly unknown[] =>
  checked(field, 'an array', Array.isArray, given) as readonly unknown[];

const valueExpected = 'null, a boolean, a number, a string, bytes, or arrays and records of them';

/** A value of its own: bytes are copied, because an object outlives the frame that it came in. */
export const valueIn = (field: string, given: unknown): Value => {
  const value = ownValue(given);
  if (value === undefined) throw new Unreadable(field, valueExpected, given);
  return value;
};

/**
 * The values as they came, checked: a plain record whose names and values are what they should be. It is not copied, because
 * most of what is read is this.
 */
export const valuesIn = (given: unknown): Values => {
  const record = checked('values', 'a map', isRecord, given) as Record<string, Value>;
  for (const property in record) {
    if (!name.test(property)) throw new Unreadable('values', 'a property name', property);
    const value = record[property];
    if (typeof value === 'object' && value !== null) record[property] = valueIn(`values.${property}`, value);
    else if (!isValue(value)) throw new Unreadable(`values.${property}`, valueExpected, value);
  }
  return record;
};

export const instantIn = (field: string, given: unknown): Instant => {
  const [time, count] = array(field, given);
  return {
    time: checked(`${field}.time`, 'a whole number', isVersion, time),
    count: checked(`${field}.count`, 'a whole number', isVersion, count),
  };
};

export const stampIn = (field: string, given: unknown): Stamp => ({
  ...instantIn(field, given),
  replica: checked(`${field}.replica`, 'the id of a replica', isReplica, array(field, given)[2]),
});

/** Lists have a hundred thousand of these: what is well is not described. */
export const elementIn = (field: string, given: unknown): ElementId => {
  if (Array.isArray(given)) {
    const all = given as readonly unknown[];
    const time = all[0];
    const count = all[1];
    const replica = all[2];
    const index = all[3];
    if (isVersion(time) && isVersion(count) && isReplica(replica) && isVersion(index))
      return { time, count, replica, index };
  }
  return {
    ...stampIn(field, given),
    index: checked(`${field}.index`, 'a whole number', isVersion, array(field, given)[3]),
  };
};

const isPlace = (given: unknown): given is string => isPlaceKey(given) && given.length <= limits.placeCharsMax;

export const placeKeyIn = (field: string, given: unknown): string =>
  checked(field, `a fractional index of at most ${limits.placeCharsMax} characters`, isPlace, given);

export const runIn = (given: unknown): readonly string[] => {
  const run = array('run', given);
  if (run.length < 2 || run.length % 2 !== 0 || run.length > 2 * limits.placeDepthMax) {
    throw new Unreadable('run', `1 to ${limits.placeDepthMax} pairs of a key and a replica`, given);
  }
  return run.map((each, at) =>
    at % 2 === 0 ? placeKeyIn('run', each) : checked('run', 'the id of a replica', isReplica, each),
  );
};

const some = (field: string, given: unknown): readonly unknown[] => {
  const all = array(field, given);
  if (all.length === 0) throw new Unreadable(field, 'at least one', given);
  return all;
};

export const isEntryKey = (given: unknown): given is string =>
  typeof given === 'string' && given.length <= limits.entryKeyCharsMax && !loneSurrogate.test(given);

export const entryKeyIn = (field: string, given: unknown): string =>
  checked(field, `a string of at most ${limits.entryKeyCharsMax} characters`, isEntryKey, given);

const isExact = (given: unknown): given is number => Number.isSafeInteger(given);

const propertyIn = (given: unknown): string => checked('property', 'a property name', isName, given);

const indexesIn = (given: unknown, count: number): readonly number[] => {
  const all = array('indexes', given).map((each) => checked('indexes', 'a whole number', isVersion, each));
  const isRising = all.every((each, at) => at === 0 || each > (all[at - 1] ?? 0));
  if (all.length !== count || !isRising) throw new Unreadable('indexes', `${count} rising numbers`, given);
  return all;
};

const insertIn = (details: readonly unknown[]) => {
  const keys = some('keys', details[2]).map((each) => placeKeyIn('keys', each));
  const values = array('values', details[3]).map((each) => valueIn('values', each));
  if (keys.length !== values.length) throw new Unreadable('values', `${keys.length} of them`, details[3]);
  return {
    ...{ property: propertyIn(details[0]), run: runIn(details[1]), keys, values },
    ...(details[4] === null || details[4] === undefined ? {} : { indexes: indexesIn(details[4], keys.length) }),
    ...(details[5] === undefined || details[5] === 0
      ? {}
      : { defaultOf: checked('defaultOf', 'a whole number', isVersion, details[5]) }),
  };
};

const entryIn = (given: unknown): readonly [string, Value] => {
  const [key, value] = array('entries', given);
  return [entryKeyIn('entries', key), valueIn('entries', value)];
};

interface Reader {
  /** How many details there are. */
  readonly length: number;
  readonly read: (details: readonly unknown[]) => object;
}

/** How each kind of operation goes on after its target. */
export const readers: Readonly<Record<Operation['kind'], Reader>> = {
  create: { length: 1, read: ([values]) => ({ values: valuesIn(values) }) },
  update: { length: 1, read: ([values]) => ({ values: valuesIn(values) }) },
  delete: { length: 0, read: () => ({}) },
  insert: { length: 6, read: insertIn },
  move: {
    length: 4,
    read: ([property, element, run, key]) => ({
      property: propertyIn(property),
      element: elementIn('element', element),
      place: { run: runIn(run), key: placeKeyIn('key', key) },
    }),
  },
  replace: {
    length: 3,
    read: ([property, element, value]) => ({
      property: propertyIn(property),
      element: elementIn('element', element),
      value: valueIn('value', value),
    }),
  },
  remove: {
    length: 2,
    read: ([property, elements]) => ({
      property: propertyIn(property),
      elements: some('elements', elements).map((each) => elementIn('elements', each)),
    }),
  },
  put: {
    length: 2,
    read: ([property, entries]) => ({
      property: propertyIn(property),
      entries: some('entries', entries).map(entryIn),
    }),
  },
  drop: {
    length: 2,
    read: ([property, keys]) => ({
      property: propertyIn(property),
      keys: some('keys', keys).map((each) => entryKeyIn('keys', each)),
    }),
  },
  clear: { length: 1, read: ([property]) => ({ property: propertyIn(property) }) },
  increment: {
    length: 4,
    read: ([property, born, after, by]) => ({
      property: propertyIn(property),
      born: stampIn('born', born),
      after: after === null ? null : instantIn('after', after),
      by: checked('by', 'a whole number', isExact, by),
    }),
  },
};
