import { isBytes } from '../../model/built-ins.js';
import type { Observable } from 'rxjs';
import type { Log } from '../../log/log.js';
import { openLog } from '../../log/open-log.js';
import { decodeStoredOperations, encodeOperations } from '../../merge/operation-codec.js';
import type { Operation } from '../../merge/operation.js';
import { type Rebase, rebaseOperation } from '../../merge/rebase.js';
import { decodeValue, encodeValue } from '../../model/msgpack.js';
import { bytesOf, type Changeset, nameTextOf, type ObjectName } from '../../model/changeset.js';
import { StorageError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import { isLeft } from '../../model/result.js';
import { isCount } from '../../model/version.js';
import type { Storage } from '../../storage/storage.js';
import { outboxPrefix } from '../storage-keys.js';

/** Prefix of the storage keys of outbox entries. */
export const outboxEntryPrefix = `${outboxPrefix}e`;

export const createCorruptStorageError = (what: string, text: string): StorageError =>
  new StorageError(`The storage of this realm is damaged: ${what} cannot be read (${text}). It was left as it is.`);

/** Decodes the operations of a changeset. Throws a `StorageError` for unreadable bytes. */
export const readOperations = ({ body }: Pick<Changeset, 'body'>, what = 'an unsent change'): readonly Operation[] => {
  const operations = decodeStoredOperations(body);
  if (isLeft(operations)) throw createCorruptStorageError(what, operations.left);
  return operations.right;
};

/**
 * The objects that a changeset touches, at most as many as fit one message. Throws a `StorageError` for unreadable
 * bytes.
 */
export const objectNamesOf = (changeset: Changeset): readonly ObjectName[] => {
  const all = new Map(readOperations(changeset).map(({ type, key }) => [nameTextOf({ type, key }), { type, key }]));
  return [...all.values()].slice(0, limits.rejectedWritesMax);
};

/**
 * Encodes a body whose operations get other stamps. Returns the same bytes when no operation refers to a stamp that
 * changes.
 */
export const rebaseBody = (body: Uint8Array, operations: readonly Operation[], rebase: Rebase): Uint8Array => {
  const named = operations.map((operation) => rebaseOperation(operation, rebase));
  return named.every((operation, at) => operation === operations[at]) ? body : encodeOperations(named);
};

/** Opens the outbox in a realm's storage. Cold; emits once and completes; errors with a `StorageError`. */
export const openOutbox = (storage: Storage): Observable<Log<Changeset>> =>
  openLog<Changeset>({
    storage,
    prefix: outboxPrefix,
    encode: encodeChangeset,
    decode: decodeChangeset,
    sizeOf: bytesOf,
  });

export const encodeChangeset = ({ version, time, count, body }: Changeset): Uint8Array =>
  encodeValue([version, time, count, body]);

/** Throws a `StorageError` for invalid bytes. */
export const decodeChangeset = (bytes: Uint8Array): Changeset => {
  const read = decodeValue(bytes);
  const fields: readonly unknown[] = isLeft(read) || !Array.isArray(read.right) ? [] : (read.right as unknown[]);
  const [version, time, count, body] = fields;
  if (isCount(version) && isCount(time) && isCount(count) && isBytes(body)) {
    return { version, time, count, body };
  }
  throw createCorruptStorageError('an unsent change', `${bytes.byteLength} bytes of unknown layout`);
};
