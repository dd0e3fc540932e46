import type { Instant } from '../model/changeset.js';
import { describeValue } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { isRecord, detachValue, isValue, type Key, type Value, type Values } from '../model/value.js';
import { isCount } from '../model/version.js';
import type { ElementId } from './list-element.js';
import type { Operation } from './operation.js';
import { isPositionKey } from './list-position.js';
import type { Stamp } from './timestamp.js';

/** Bytes do not have the expected content. Caught where the bytes are read. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError';

  constructor(field: string, expected: string, received: unknown) {
    super(`${field} must be ${expected}, received ${describeValue(received)}`);
  }
}

export const checkField = <T>(
  field: string,
  expected: string,
  is: (given: unknown) => given is T,
  given: unknown,
): T => {
  if (is(given)) return given;
  throw new UnreadableError(field, expected, given);
};

const namePattern = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const loneSurrogate = /\p{Surrogate}/u;

export const isName = (given: unknown): given is string => typeof given === 'string' && namePattern.test(given);

export const isKey = Object.assign(
  (given: unknown): given is Key =>
    typeof given === 'string'
      ? given.length > 0 && given.length <= limits.keyCharsMax && !loneSurrogate.test(given)
      : Number.isSafeInteger(given),
  { expected: `a string of 1 to ${limits.keyCharsMax} characters or a whole number` },
);

const isReplica = (given: unknown): given is string =>
  typeof given === 'string' && given.length > 0 && given.length <= limits.idCharsMax;

const readArray = (field: string, given: unknown): readonly unknown[] =>
  checkField(field, 'an array', Array.isArray, given) as readonly unknown[];

const valueExpected = 'null, a boolean, a number, a string, bytes, or arrays and records of them';

/** Reads a value. Bytes are copied, because an object outlives the frame in which it was received. */
export const readValue = (field: string, given: unknown): Value => {
  const value = detachValue(given);
  if (value === undefined) throw new UnreadableError(field, valueExpected, given);
  return value;
};

/** Checks the names and values of a plain record, and returns it without a copy: values are most of what is read. */
export const readValues = (given: unknown): Values => {
  const record = checkField('values', 'a map', isRecord, given) as Record<string, Value>;
  for (const property in record) {
    if (!namePattern.test(property)) throw new UnreadableError('values', 'a property name', property);
    const value = record[property];
    if (typeof value === 'object' && value !== null) record[property] = readValue(`values.${property}`, value);
    else if (!isValue(value)) throw new UnreadableError(`values.${property}`, valueExpected, value);
  }
  return record;
};

export const readInstant = (field: string, given: unknown): Instant => {
  const [time, count] = readArray(field, given);
  return {
    time: checkField(`${field}.time`, 'a whole number', isCount, time),
    count: checkField(`${field}.count`, 'a whole number', isCount, count),
  };
};

export const readStamp = (field: string, given: unknown): Stamp => ({
  ...readInstant(field, given),
  replica: checkField(`${field}.replica`, 'the id of a replica', isReplica, readArray(field, given)[2]),
});

/** Reads the id of an element. Fast when it is valid, because lists have up to 100 000 of them. */
export const readElementId = (field: string, given: unknown): ElementId => {
  if (Array.isArray(given)) {
    const all = given as readonly unknown[];
    const time = all[0];
    const count = all[1];
    const replica = all[2];
    const index = all[3];
    if (isCount(time) && isCount(count) && isReplica(replica) && isCount(index)) return { time, count, replica, index };
  }
  return {
    ...readStamp(field, given),
    index: checkField(`${field}.index`, 'a whole number', isCount, readArray(field, given)[3]),
  };
};

const isPositionKeyWithin = (given: unknown): given is string =>
  isPositionKey(given) && given.length <= limits.positionKeyCharsMax;

export const readPositionKey = (field: string, given: unknown): string =>
  checkField(
    field,
    `a fractional index of at most ${limits.positionKeyCharsMax} characters`,
    isPositionKeyWithin,
    given,
  );

export const readRun = (given: unknown): readonly string[] => {
  const run = readArray('run', given);
  if (run.length < 2 || run.length % 2 !== 0 || run.length > 2 * limits.positionDepthMax) {
    throw new UnreadableError('run', `1 to ${limits.positionDepthMax} pairs of a key and a replica`, given);
  }
  return run.map((each, at) =>
    at % 2 === 0 ? readPositionKey('run', each) : checkField('run', 'the id of a replica', isReplica, each),
  );
};

const readNonEmpty = (field: string, given: unknown): readonly unknown[] => {
  const all = readArray(field, given);
  if (all.length === 0) throw new UnreadableError(field, 'at least one', given);
  return all;
};

export const isEntryKey = (given: unknown): given is string =>
  typeof given === 'string' && given.length <= limits.entryKeyCharsMax && !loneSurrogate.test(given);

export const readEntryKey = (field: string, given: unknown): string =>
  checkField(field, `a string of at most ${limits.entryKeyCharsMax} characters`, isEntryKey, given);

const isExact = (given: unknown): given is number => Number.isSafeInteger(given);

const readProperty = (given: unknown): string => checkField('property', 'a property name', isName, given);

const readIndexes = (given: unknown, count: number): readonly number[] => {
  const all = readArray('indexes', given).map((each) => checkField('indexes', 'a whole number', isCount, each));
  const isRising = all.every((each, at) => at === 0 || each > (all[at - 1] ?? 0));
  if (all.length !== count || !isRising) throw new UnreadableError('indexes', `${count} increasing numbers`, given);
  return all;
};

const readInsert = (details: readonly unknown[]) => {
  const keys = readNonEmpty('keys', details[2]).map((each) => readPositionKey('keys', each));
  const values = readArray('values', details[3]).map((each) => readValue('values', each));
  if (keys.length !== values.length) throw new UnreadableError('values', `${keys.length} values`, details[3]);
  return {
    ...{ property: readProperty(details[0]), run: readRun(details[1]), keys, values },
    ...(details[4] === null || details[4] === undefined ? {} : { indexes: readIndexes(details[4], keys.length) }),
    ...(details[5] === undefined || details[5] === 0
      ? {}
      : { defaultOf: checkField('defaultOf', 'a whole number', isCount, details[5]) }),
  };
};

const readEntry = (given: unknown): readonly [string, Value] => {
  const [key, value] = readArray('entries', given);
  return [readEntryKey('entries', key), readValue('entries', value)];
};

interface DetailsReader {
  /** The largest number of fields. */
  readonly length: number;
  readonly read: (details: readonly unknown[]) => object;
}

/** Readers of the fields that follow the target, for each kind of operation. */
export const detailsReaders: Readonly<Record<Operation['kind'], DetailsReader>> = {
  create: { length: 1, read: ([values]) => ({ values: readValues(values) }) },
  update: { length: 1, read: ([values]) => ({ values: readValues(values) }) },
  delete: { length: 0, read: () => ({}) },
  insert: { length: 6, read: readInsert },
  move: {
    length: 4,
    read: ([property, element, run, key]) => ({
      property: readProperty(property),
      element: readElementId('element', element),
      position: { run: readRun(run), key: readPositionKey('key', key) },
    }),
  },
  replace: {
    length: 3,
    read: ([property, element, value]) => ({
      property: readProperty(property),
      element: readElementId('element', element),
      value: readValue('value', value),
    }),
  },
  remove: {
    length: 2,
    read: ([property, elements]) => ({
      property: readProperty(property),
      elements: readNonEmpty('elements', elements).map((each) => readElementId('elements', each)),
    }),
  },
  put: {
    length: 2,
    read: ([property, entries]) => ({
      property: readProperty(property),
      entries: readNonEmpty('entries', entries).map(readEntry),
    }),
  },
  drop: {
    length: 2,
    read: ([property, keys]) => ({
      property: readProperty(property),
      keys: readNonEmpty('keys', keys).map((each) => readEntryKey('keys', each)),
    }),
  },
  clear: { length: 1, read: ([property]) => ({ property: readProperty(property) }) },
  increment: {
    length: 4,
    read: ([property, born, after, by]) => ({
      property: readProperty(property),
      born: readStamp('born', born),
      after: after === null ? null : readInstant('after', after),
      by: checkField('by', 'a whole number', isExact, by),
    }),
  },
};
