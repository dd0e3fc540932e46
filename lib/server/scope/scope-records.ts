import { isLeft } from '../../model/result.js';
import { readFilter } from '../../filter/read-filter.js';
import type { StoredFilter } from '../../filter/stored-filter.js';
import { encodeValue } from '../../model/msgpack.js';
import { createDamageError, storedFieldsOf } from '../../model/stored-data.js';
import { isCount, type Version } from '../../model/version.js';

/** A scope that a user has or had, as a history keeps it. */
export interface ScopeRecord {
  /** Identifies the scope. Devices of the user store it with their objects. */
  readonly id: string;
  /** The filters of the visible types, by their names, sorted; `null`: all objects are visible. */
  readonly filters: ReadonlyMap<string, StoredFilter> | null;
  /** The server version at which the scope began. */
  readonly since: Version;
  /** The server version at which the user was first seen with another scope; `null`: not since the last time. */
  readonly until: Version | null;
}

/** Encodes the scopes of a user: `[[id, [[type, filter], …] or null, since, until], …]`. */
export const encodeScopes = (records: readonly ScopeRecord[]): Uint8Array =>
  encodeValue(records.map(({ id, filters, since, until }) => [id, filters && [...filters], since, until]));

const decodeFilter = (key: string, value: unknown): readonly [string, StoredFilter] => {
  const [type, given] = storedFieldsOf(key, value);
  const filter = readFilter(given);
  if (typeof type !== 'string' || isLeft(filter)) throw createDamageError('record', key);
  return [type, filter.right];
};

/** Decodes the scopes of a user; none if nothing is stored. Throws a `StorageError` for damaged bytes. */
export const decodeScopes = (key: string, value: unknown): readonly ScopeRecord[] =>
  value === undefined
    ? []
    : storedFieldsOf(key, value).map((each): ScopeRecord => {
        const [id, filters, since, until] = storedFieldsOf(key, each);
        if (typeof id !== 'string' || !isCount(since) || !(until === null || isCount(until)))
          throw createDamageError('record', key);
        return {
          id,
          filters: filters === null ? null : new Map(storedFieldsOf(key, filters).map((one) => decodeFilter(key, one))),
          since,
          until,
        };
      });
