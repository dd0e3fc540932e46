import { isBytes } from '../model/built-ins.js';
import type { ObjectName, RejectedWrite, ServerObjectState, StoredObject } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Key } from '../model/value.js';
import { type Field, InvalidField } from './field-codec.js';

const isText = (value: unknown, max: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= max;

const isKey = (value: unknown): value is Key => Number.isSafeInteger(value) || isText(value, limits.keyCharsMax);

const rowsOf = (value: unknown, path: string): readonly unknown[] | InvalidField =>
  Array.isArray(value) && value.length <= limits.rejectedWritesMax
    ? (value as unknown[])
    : new InvalidField(path, `at most ${limits.rejectedWritesMax} rows`, value);

/** Rows of `[type, key, third value]`. `third` reads the third value; `undefined`: the value is invalid. */
const rowsFieldOf = <Row>(
  expected: string,
  third: (type: string, key: Key, value: unknown) => Row | undefined,
  write: (row: Row) => readonly unknown[],
): Field<readonly Row[]> => ({
  read: (value, path) => {
    const given = rowsOf(value, path);
    if (given instanceof InvalidField) return given;
    const read: Row[] = [];
    for (const [index, row] of given.entries()) {
      const [type, key, last] = Array.isArray(row) ? (row as unknown[]) : [];
      const made = isText(type, limits.nameCharsMax) && isKey(key) ? third(type, key, last) : undefined;
      if (made === undefined) return new InvalidField(`${path}[${index}]`, expected, row);
      read.push(made);
    }
    return read;
  },
  write: (all) => all.map(write),
});

/** Rejected objects with reasons: `[type, key, reason]`. */
export const rejectedWrites: Field<readonly RejectedWrite[]> = rowsFieldOf<RejectedWrite>(
  '[type, key, reason]',
  (type, key, reason) =>
    typeof reason === 'string' && reason.length <= limits.errorTextCharsMax ? { type, key, reason } : undefined,
  ({ type, key, reason }) => [type, key, reason],
);

/**
 * Server states of rejected objects: `[type, key, state]`. The state is binary, or nil when the object does not exist.
 */
export const serverStates: Field<readonly ServerObjectState[]> = rowsFieldOf<ServerObjectState>(
  '[type, key, state or nil]',
  (type, key, state) => (state === null || isBytes(state) ? { type, key, state } : undefined),
  ({ type, key, state }) => [type, key, state],
);

/** Objects of a snapshot: `[type, key, state]`, the state as binary. */
export const storedObjects: Field<readonly StoredObject[]> = rowsFieldOf<StoredObject>(
  '[type, key, state]',
  (type, key, state) => (isBytes(state) ? { type, key, state } : undefined),
  ({ type, key, state }) => [type, key, state],
);

/** Names of objects: `[type, key]` each. */
export const objectNames: Field<readonly ObjectName[]> = rowsFieldOf<ObjectName>(
  '[type, key]',
  (type, key) => ({ type, key }),
  ({ type, key }) => [type, key],
);

/** The name of an object: `[type, key]`. */
export const objectName: Field<ObjectName> = {
  read: (value, path) => {
    const [type, key] = Array.isArray(value) ? (value as unknown[]) : [];
    return isText(type, limits.nameCharsMax) && isKey(key)
      ? { type, key }
      : new InvalidField(path, '[type, key]', value);
  },
  write: ({ type, key }) => [type, key],
};
