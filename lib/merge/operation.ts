import { fromBytes, toBytes } from '../model/bytes.js';
import { described } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { isLeft, left, right, type Either } from '../model/result.js';
import { isValue, type Key, type Value, type Values } from '../model/value.js';

interface Target {
  readonly type: string;
  readonly key: Key;
}

/** New values for some properties. A create carries every property of its schema, so that it begins with fresh ones. */
export interface Write extends Target {
  readonly kind: 'create' | 'update';
  readonly values: Values;
}

/** One thing that a transaction did to one object. */
export type Operation = Write | (Target & { readonly kind: 'delete' });

const kindNumbers = { create: 1, update: 2, delete: 3 } as const;
const kindNames = [undefined, 'create', 'update', 'delete'] as const;

/**
 * The body of a changeset: a MessagePack array of at least one operation.
 *
 * | operation | |
 * |---|---|
 * | `[1, type, key, values]` | creates an object: `values` has every property of its type, `null` for what is empty |
 * | `[2, type, key, values]` | updates some of its properties |
 * | `[3, type, key]` | deletes it |
 *
 * `type`, and every name in the map `values`, is 1 to 64 letters, digits or underscores, starting with a letter. `key` is a
 * string of 1 to 200 UTF-16 code units, or a whole number from -(2^53 - 1) to 2^53 - 1. A value is null, a boolean, a number,
 * a string or bytes; a date is its milliseconds since the epoch, a uuid its lower-case text. The n-th operation, counted from
 * 0, is stamped with its changeset's time, its changeset's count + n, and the replica that wrote it.
 */
export const encodeOperations = (operations: readonly Operation[]): Uint8Array =>
  toBytes(
    operations.map((operation) =>
      operation.kind === 'delete'
        ? [kindNumbers.delete, operation.type, operation.key]
        : [kindNumbers[operation.kind], operation.type, operation.key, operation.values],
    ),
  );

const name = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const loneSurrogate = /\p{Surrogate}/u;

const isKey = (key: unknown): key is Key =>
  typeof key === 'string'
    ? key.length > 0 && key.length <= limits.keyCharsMax && !loneSurrogate.test(key)
    : Number.isSafeInteger(key);

const isRecord = (given: unknown): given is Record<string, unknown> =>
  typeof given === 'object' && given !== null && !Array.isArray(given) && !(given instanceof Uint8Array);

/**
 * The values as they came, checked: a plain record whose names and values are what they should be. Bytes are copied, because
 * an object outlives the frame that it came in.
 */
const valuesOf = (given: unknown): Either<string, Values> => {
  if (!isRecord(given)) return left(`values: expected a map, got ${described(given)}`);
  for (const property in given) {
    if (!name.test(property)) return left(`values: expected a property name, got ${described(property)}`);
    const value = given[property];
    if (!isValue(value)) {
      return left(`values.${property}: expected null, a boolean, a number, a string or bytes, got ${described(value)}`);
    }
    if (value instanceof Uint8Array) given[property] = value.slice();
  }
  return right(given as Record<string, Value>);
};

const operationOf = (given: unknown): Either<string, Operation> => {
  if (!Array.isArray(given)) return left(`operation: expected an array, got ${described(given)}`);
  const [number, type, key, values] = given as readonly unknown[];
  const kind = typeof number === 'number' ? kindNames[number] : undefined;
  if (kind === undefined) return left(`kind: expected 1, 2 or 3, got ${described(number)}`);
  if (typeof type !== 'string' || !name.test(type)) return left(`type: expected a type name, got ${described(type)}`);
  if (!isKey(key))
    return left(`key: expected 1 to ${limits.keyCharsMax} characters or a whole number, got ${described(key)}`);
  const length = kind === 'delete' ? 3 : 4;
  if (given.length > length) return left(`operation: expected an array of ${length}, got ${described(given)}`);
  if (kind === 'delete') return right({ kind, type, key });
  const checked = valuesOf(values);
  return isLeft(checked) ? checked : right({ kind, type, key, values: checked.right });
};

/** The operations of a body, or why it holds none. Never throws. */
export const decodeOperations = (bytes: Uint8Array): Either<string, readonly Operation[]> => {
  const read = fromBytes(bytes);
  if (isLeft(read)) return left(`expected MessagePack: ${read.left}`);
  if (!Array.isArray(read.right) || read.right.length === 0) {
    return left(`expected an array of operations, got ${described(read.right)}`);
  }
  const operations: Operation[] = [];
  for (const given of read.right as readonly unknown[]) {
    const operation = operationOf(given);
    if (isLeft(operation)) return left(`operation ${operations.length}: ${operation.left}`);
    operations.push(operation.right);
  }
  return right(operations);
};
