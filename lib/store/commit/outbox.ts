import { isBytes } from '../../model/built-ins.js';
import type { Observable } from 'rxjs';
import type { Log } from '../../log/log.js';
import { openLog } from '../../log/open-log.js';
import { decodeOperationsLeniently, encodeOperations } from '../../merge/operation-codec.js';
import type { Operation } from '../../merge/operation.js';
import { type Rebase, rebaseOperation } from '../../merge/rebase.js';
import { encodeValue } from '../../model/msgpack.js';
import { bytesOf, type Changeset, nameTextOf, type ObjectName } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import { createDamageError, decodeStoredFields, requireStored } from '../../model/stored-data.js';
import { isCount } from '../../model/version.js';
import type { Storage } from '../../storage/storage.js';
import { outboxPrefix } from '../storage-keys.js';

/** Prefix of the storage keys of single outbox entries. */
export const outboxEntryPrefix = `${outboxPrefix}e`;

/** Decodes the operations of a stored changeset. Throws a `StorageError` for unreadable bytes. */
export const decodeStoredOperations = (
  { version, body }: Pick<Changeset, 'version' | 'body'>,
  kind = 'unsent change',
): readonly Operation[] => requireStored(decodeOperationsLeniently(body), kind, version);

/**
 * The objects that a changeset touches, at most as many as fit one message. Throws a `StorageError` for unreadable
 * bytes.
 */
export const objectNamesOf = (changeset: Changeset): readonly ObjectName[] => {
  const all = new Map(
    decodeStoredOperations(changeset).map(({ type, key }) => [nameTextOf({ type, key }), { type, key }]),
  );
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

/** Returns the changeset in the first fields of a record. Throws a `StorageError` for other fields. */
export const storedChangesetOf = (key: string, [version, time, count, body]: readonly unknown[]): Changeset => {
  if (isCount(version) && isCount(time) && isCount(count) && isBytes(body)) {
    return { version, time, count, body };
  }
  throw createDamageError('record', key);
};

/** Decodes the outbox entry under a storage key. Throws a `StorageError` for invalid bytes. */
export const decodeChangeset = (key: string, bytes: Uint8Array): Changeset =>
  storedChangesetOf(key, decodeStoredFields(key, bytes));
