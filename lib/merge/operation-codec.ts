import {
  decodeArrayLength,
  decodeValue,
  decodeValueLeniently,
  hasMoreValues,
  decodeRowStarts,
  encodeValue,
} from '../model/msgpack.js';
import type { ObjectName } from '../model/changeset.js';
import { describeValue } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { isLeft, left, right, type Either } from '../model/result.js';
import { isExactValue } from '../model/value.js';
import type { ElementId } from './list-element.js';
import { checkField, isKey, isName, detailsReaders, UnreadableError } from './decoders.js';
import type { Operation } from './operation.js';
import type { Stamp } from './timestamp.js';

const operationKinds = [
  ...[undefined, 'create', 'update', 'delete', 'insert', 'move', 'replace', 'remove'],
  ...['put', 'drop', 'clear', 'increment'],
] as readonly (Operation['kind'] | undefined)[];
const kindNumbers = new Map(operationKinds.map((kind, number) => [kind, number]));

const stampOf = ({ time, count, replica }: Stamp) => [time, count, replica];
const elementOf = (id: ElementId) => [...stampOf(id), id.index];

/** Returns the fields that follow the target of an operation. */
const detailsOf = (operation: Operation): readonly unknown[] => {
  switch (operation.kind) {
    case 'create':
    case 'update':
      return [operation.values];
    case 'delete':
      return [];
    case 'insert':
      return [
        ...[operation.property, operation.run, operation.keys, operation.values],
        ...(operation.indexes || operation.defaultOf ? [operation.indexes ?? null, operation.defaultOf ?? 0] : []),
      ];
    case 'move':
      return [operation.property, elementOf(operation.element), operation.position.run, operation.position.key];
    case 'replace':
      return [operation.property, elementOf(operation.element), operation.value];
    case 'remove':
      return [operation.property, operation.elements.map(elementOf)];
    case 'put':
      return [operation.property, operation.entries];
    case 'drop':
      return [operation.property, operation.keys];
    case 'clear':
      return [operation.property];
    case 'increment': {
      const { property, born, after, by } = operation;
      return [property, stampOf(born), after && [after.time, after.count], by];
    }
  }
};

/**
 * Encodes the body of a changeset: a MessagePack array of at least one operation. Each is `[number, type, key, …]`;
 * docs/PROTOCOL.md lists the numbers and the fields that follow.
 *
 * `type` and property names are 1 to 64 letters, digits or underscores, starting with a letter. `key` is a string of 1
 * to 200 UTF-16 code units, or a whole number from -(2^53 - 1) to 2^53 - 1. The n-th operation, counted from 0, is
 * stamped with its changeset's time, its changeset's count + n, and the replica that wrote it.
 */
export const encodeOperations = (operations: readonly Operation[]): Uint8Array =>
  encodeValue(
    operations.map((operation) => [
      kindNumbers.get(operation.kind),
      operation.type,
      operation.key,
      ...detailsOf(operation),
    ]),
  );

/**
 * Reads one operation.
 *
 * @throws UnreadableError for any other value.
 */
export const operationOf = (given: unknown): Operation => {
  const [number, type, key, ...details] = checkField(
    'operation',
    'an array',
    Array.isArray,
    given,
  ) as readonly unknown[];
  const kind = typeof number === 'number' ? operationKinds[number] : undefined;
  if (kind === undefined) throw new UnreadableError('kind', `1 to ${operationKinds.length - 1}`, number);
  const { length, read } = detailsReaders[kind];
  const target = {
    type: checkField('type', 'a type name', isName, type),
    key: checkField('key', isKey.expected, isKey, key),
  };
  if (details.length > length) throw new UnreadableError('operation', `an array of ${length + 3}`, given);
  return { kind, ...target, ...read(details) } as Operation;
};

/** Whether all numbers of an operation are finite. No schema allows others. */
export const isExact = (operation: Operation): boolean => {
  switch (operation.kind) {
    case 'create':
    case 'update':
      return isExactValue(operation.values);
    case 'insert':
      return isExactValue(operation.values);
    case 'replace':
      return isExactValue(operation.value);
    case 'put':
      return operation.entries.every(([, value]) => isExactValue(value));
    default:
      return true;
  }
};

/** The reason why a body is invalid or too large. */
export interface InvalidOperations {
  readonly text: string;
  readonly isTooMany: boolean;
}

/**
 * Decodes the operations of a body, or returns why it is invalid. Operations and values (counted like
 * `decodeValueWithin`) are limited, and counted before they are created. Never throws.
 */
export const decodeOperationsWithin = (
  bytes: Uint8Array,
  operationsMax: number,
  valuesMax: number,
): Either<InvalidOperations, readonly Operation[]> => {
  const reject = (text: string, isTooMany = false) => left({ text, isTooMany });
  // Each operation takes more than a byte, so that small bodies need no count.
  const length = bytes.byteLength > operationsMax ? decodeArrayLength(bytes) : null;
  if (length !== null && length > operationsMax)
    return reject(`it has ${length} operations, at most ${operationsMax} are allowed`, true);
  if (hasMoreValues(bytes, valuesMax)) return reject(`it has more than ${valuesMax} values`, true);
  const read = decodeValue(bytes);
  const operations = checkOperations(read);
  return isLeft(operations) ? reject(operations.left) : operations;
};

/**
 * Decodes the operations of a body, or returns why it is invalid. Never throws. NaN and infinite numbers are invalid.
 */
export const decodeOperations = (bytes: Uint8Array): Either<string, readonly Operation[]> =>
  checkOperations(decodeValue(bytes));

/**
 * Decodes a body that is stored or in a history, or returns why it is invalid. Never throws. Allows what earlier
 * versions accepted: NaN, infinite numbers and holes in arrays.
 */
export const decodeOperationsLeniently = (bytes: Uint8Array): Either<string, readonly Operation[]> =>
  operationsOf(decodeValueLeniently(bytes));

const checkOperations = (given: Either<string, unknown>): Either<string, readonly Operation[]> => {
  const read = operationsOf(given);
  if (isLeft(read)) return read;
  const at = read.right.findIndex((operation) => !isExact(operation));
  return at === -1 ? read : left(`operation ${at} must have finite numbers, received NaN or an infinite one`);
};

const operationsOf = (read: Either<string, unknown>): Either<string, readonly Operation[]> => {
  if (isLeft(read)) return left(`invalid MessagePack: ${read.left}`);
  if (!Array.isArray(read.right) || read.right.length === 0) {
    return left(`operations must be an array that is not empty, received ${describeValue(read.right)}`);
  }
  const operations: Operation[] = [];
  try {
    for (const given of read.right as readonly unknown[]) operations.push(operationOf(given));
  } catch (thrown) {
    if (thrown instanceof UnreadableError) return left(`operation ${operations.length}: ${thrown.message}`);
    throw thrown;
  }
  return right(operations);
};

/** Number of values of a body in which object names are searched: takes 10 ms. */
const namedValuesMax = 200_000;

/**
 * Returns the objects that the operations of a body name, as far as the body is readable and a message holds them.
 * Never throws.
 */
export const targetsOf = (bytes: Uint8Array): readonly ObjectName[] => {
  const rows = decodeRowStarts(bytes, namedValuesMax, 3).slice(0, limits.rejectedWritesMax);
  return rows.flatMap(([, type, key]) => (isName(type) && isKey(key) ? [{ type, key }] : []));
};
