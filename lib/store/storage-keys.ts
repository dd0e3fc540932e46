import type { ObjectName } from '../model/changeset.js';
import { objectTextOf, parseObjectText } from '../model/object-key.js';
import type { Key } from '../model/value.js';

/*
 * The keys of a realm's storage: `meta` (the metadata), `owner` (see `owner.ts`), `runs` (see `replica-runs.ts`), `b/…`
 * (blocks of objects, see `object-block.ts`), `o/<type>/<s or n><key>` (single objects), `u/…` (the outbox), `r/…`
 * (rejected writes), `schema` (see `schema-fingerprint.ts`), `limits`. A realm with subscriptions also has
 * `subscriptions` (the set), `view` (the placed view) and `detached/<type>/<s or n><key>`. Storage keys are ASCII, so
 * other characters are escaped as in URLs.
 */
export const metadataKey = 'meta';
export const schemaKey = 'schema';
export const ownerKey = 'owner';
export const runsKey = 'runs';
/** The limits of the server. */
export const limitsKey = 'limits';
/** The latest set of subscriptions. */
export const subscriptionsKey = 'subscriptions';
/** The placed view. Absent: none is placed. */
export const viewKey = 'view';
/** Prefix of the records of detached objects. */
export const detachedPrefix = 'detached/';
/** The first key after all detached objects: "0" follows "/". */
export const detachedKeysTo = 'detached0';
export const outboxPrefix = 'u/';
export const blockPrefix = 'b/';
/** The first key after all blocks: "0" follows "/". */
export const blockKeysTo = 'b0';
export const objectKeysFrom = 'o/';
/** The first key after all objects: "0" follows "/". */
export const objectKeysTo = 'o0';

export const objectKeyOf = (type: string, key: Key): string => `${objectKeysFrom}${objectTextOf(type, key)}`;

export const detachedKeyOf = (type: string, key: Key): string => `${detachedPrefix}${objectTextOf(type, key)}`;

/** Returns the type and key in the storage key of an object. Throws a `StorageError` for an invalid one. */
export const parseObjectKey = (storageKey: string): ObjectName =>
  parseObjectText(storageKey.slice(objectKeysFrom.length), storageKey);
