import { fromBytes, toBytes } from '../model/bytes.js';
import { described } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { isLeft, left, right, type Either } from '../model/result.js';
import { isValue, type Key, type Value, type Values } from '../model/value.js';

interface Target {
  readonly type: string;
  readonly key: Key;
}

/** One thing that a write did to one object. A create carries every property of its schema, so that it begins with fresh ones. */
export type Operation =
  | (Target & { readonly kind: 'create'; readonly values: Values })
  | (Target & { readonly kind: 'update'; readonly values: Values })
  | (Target & { readonly kind: 'delete' });

const kindNumbers = { create: 1, update: 2, delete: 3 } as const;
const kindNames = [undefined, 'create', 'update', 'delete'] as const;

/**
 * The body of a changeset: a MessagePack array of at least one operation, each an array `[kind, type, key, values]`; kind
 * 1 creates, 2 updates, 3 deletes (and has no values). `values` is a map from property name to null, a boolean, a number,
 * a string or bytes. Operation n of a changeset is stamped with the changeset's time, its count + n, and its replica.
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

/** The values as they came, checked: a plain record whose names and values are what they should be. */
const valuesOf = (given: unknown): Either<string, Values> => {
  if (!isRecord(given)) return left(`values: expected a map, got ${described(given)}`);
  for (const property in given) {
    if (!name.test(property)) return left(`values: expected a property name, got ${described(property)}`);
    if (!isValue(given[property])) {
      return left(
        `values.${property}: expected null, a boolean, a number, a string or bytes, got ${described(given[property])}`,
      );
    }
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
