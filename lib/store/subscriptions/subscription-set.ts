import { canonicalFilterOf, filterTextOf } from '../../filter/canonical-filter.js';
import type { StoredFilter } from '../../filter/stored-filter.js';
import { encodeValue } from '../../model/msgpack.js';
import { createDamageError, decodeStoredFields, storedFieldsOf } from '../../model/stored-data.js';
import { isCount } from '../../model/version.js';
import { readFilter } from '../../filter/read-filter.js';
import { isLeft } from '../../model/result.js';

/** One subscription as it is stored: the objects of one type that match a filter. */
export interface StoredSubscription {
  /** Number of the subscription in its realm. Never used again. */
  readonly id: number;
  /** The name that the app has given; `null`: the subscription is known by its type and filter. */
  readonly name: string | null;
  readonly type: string;
  /** The filter in canonical form. */
  readonly filter: StoredFilter;
  /** When the subscription was added, and when its filter last changed, in milliseconds since the epoch. */
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** All subscriptions of a realm. A set never changes: each change makes the next one. */
export interface SubscriptionSet {
  /** Number of the set: 0 before the first change, and one more with each change. */
  readonly version: number;
  /** The last number that a subscription was given. */
  readonly lastId: number;
  /** In the order in which they were added. */
  readonly subscriptions: readonly StoredSubscription[];
}

export const emptySet: SubscriptionSet = { version: 0, lastId: 0, subscriptions: [] };

/** Whether two subscriptions select the same objects. */
export const selectsSame = (
  a: Pick<StoredSubscription, 'type' | 'filter'>,
  b: Pick<StoredSubscription, 'type' | 'filter'>,
): boolean => a.type === b.type && filterTextOf(a.filter) === filterTextOf(b.filter);

/**
 * Returns the filter of each type that a set selects objects of. It is the same for every order, naming and repetition
 * of its subscriptions.
 */
export const filtersByTypeOf = ({ subscriptions }: SubscriptionSet): ReadonlyMap<string, StoredFilter> => {
  const types = [...new Set(subscriptions.map(({ type }) => type))].sort();
  return new Map(
    types.map((type) => [
      type,
      canonicalFilterOf(['or', ...subscriptions.filter((each) => each.type === type).map(({ filter }) => filter)]),
    ]),
  );
};

/** Encodes a set as it is stored: `[version, last id, [[id, name, type, filter, created, updated], …]]`. */
export const encodeSet = ({ version, lastId, subscriptions }: SubscriptionSet): Uint8Array =>
  encodeValue([
    version,
    lastId,
    subscriptions.map(({ id, name, type, filter, createdAt, updatedAt }) => [
      ...[id, name, type, filter, createdAt, updatedAt],
    ]),
  ]);

const isTime = (given: unknown): given is number => typeof given === 'number' && Number.isFinite(given);

const readSubscription = (key: string, given: unknown): StoredSubscription => {
  const [id, name, type, stored, createdAt, updatedAt] = storedFieldsOf(key, given);
  const filter = readFilter(stored);
  const isNamed = name === null || typeof name === 'string';
  if (
    !isCount(id) ||
    !isNamed ||
    typeof type !== 'string' ||
    !isTime(createdAt) ||
    !isTime(updatedAt) ||
    isLeft(filter)
  )
    throw createDamageError('record', key);
  return { id, name, type, filter: filter.right, createdAt, updatedAt };
};

/** Decodes a stored set. Throws a `StorageError` for other bytes. */
export const decodeSet = (key: string, bytes: Uint8Array): SubscriptionSet => {
  const [version, lastId, all] = decodeStoredFields(key, bytes);
  if (!isCount(version) || !isCount(lastId)) throw createDamageError('record', key);
  return { version, lastId, subscriptions: storedFieldsOf(key, all).map((each) => readSubscription(key, each)) };
};
