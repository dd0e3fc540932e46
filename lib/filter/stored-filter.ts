import { isBytes } from '../model/built-ins.js';
import type { Value } from '../model/value.js';

/**
 * A filter as it is stored, sent and compared: a condition on the values of one object in their stored form. It needs
 * no schema, so that a server can evaluate it.
 *
 * - `true`, `false`: every object, no object.
 * - `['and', …]`, `['or', …]`: all, at least one of the filters.
 * - `['not', filter]`: not the filter.
 * - `['in', property, value, …]`: the property is equal to one of the values.
 * - `['gt' | 'gte' | 'lt' | 'lte', property, value]`: the property is greater, or less, than the value, and of the same
 *   kind.
 *
 * A property that an object does not have is null, and null is of a kind of its own. The name of the primary key is
 * `keyName` in every type.
 */
export type StoredFilter = boolean | Group | Negation | Membership | Order;

/** Filters that are combined. */
export type Group = readonly ['and' | 'or', ...StoredFilter[]];
/** The opposite of a filter. */
export type Negation = readonly ['not', StoredFilter];
/** A property that is equal to one of some values. */
export type Membership = readonly ['in', string, ...Value[]];
/** A property before or after a value. */
export type Order = readonly ['gt' | 'gte' | 'lt' | 'lte', string, Value];

/** The name of the primary key in stored filters: the name that no property can have. */
export const keyName = '';

export const isGroup = (filter: StoredFilter): filter is Group =>
  typeof filter === 'object' && (filter[0] === 'and' || filter[0] === 'or');

export const isNegation = (filter: StoredFilter): filter is Negation =>
  typeof filter === 'object' && filter[0] === 'not';

export const isMembership = (filter: StoredFilter): filter is Membership =>
  typeof filter === 'object' && filter[0] === 'in';

/** The kind of a value. Only values of the same kind are less or greater than each other. */
export const kindOf = (value: Value): string => {
  if (value === null) return 'null';
  if (typeof value !== 'object') return typeof value;
  return isBytes(value) ? 'bytes' : 'other';
};
