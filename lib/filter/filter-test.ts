import { compareValues, type Key, textOf, type Value } from '../model/value.js';
import {
  isGroup,
  isMembership,
  isNegation,
  keyName,
  kindOf,
  type Membership,
  type Order,
  type StoredFilter,
} from './stored-filter.js';

/** Returns the stored value of a property; null when the object has none. `keyName` stands for the primary key. */
export type ReadProperty = (property: string) => Value;

/** Returns the values of one object, with its key under `keyName`, and null for those that `read` does not know. */
export const createReader =
  (key: Key, read: (property: string) => Value | undefined): ReadProperty =>
  (property) =>
    property === keyName ? key : (read(property) ?? null);

/** Whether an object matches a filter. */
export type FilterTest = (read: ReadProperty) => boolean;

const orderTests: Readonly<Record<Order[0], (order: number) => boolean>> = {
  gt: (order) => order > 0,
  gte: (order) => order >= 0,
  lt: (order) => order < 0,
  lte: (order) => order <= 0,
};

const createMembershipTest = ([, property, ...values]: Membership): FilterTest => {
  const simple = new Set<Value>(values.filter((value) => kindOf(value) !== 'bytes'));
  const bytes = new Set(values.filter((value) => kindOf(value) === 'bytes').map(textOf));
  return (read) => {
    const value = read(property);
    return kindOf(value) === 'bytes' ? bytes.has(textOf(value)) : simple.has(value);
  };
};

const createOrderTest = ([operator, property, bound]: Order): FilterTest => {
  const accepts = orderTests[operator];
  const kind = kindOf(bound);
  return (read) => {
    const value = read(property);
    return kindOf(value) === kind && accepts(compareValues(value, bound));
  };
};

/** Creates the test of a filter. It calls `read` for the properties that it needs only. */
export const createFilterTest = (filter: StoredFilter): FilterTest => {
  if (typeof filter === 'boolean') return () => filter;
  if (isMembership(filter)) return createMembershipTest(filter);
  if (isNegation(filter)) {
    const test = createFilterTest(filter[1]);
    return (read) => !test(read);
  }
  if (!isGroup(filter)) return createOrderTest(filter);
  const [operator, ...all] = filter;
  const tests = all.map(createFilterTest);
  return operator === 'and' ? (read) => tests.every((test) => test(read)) : (read) => tests.some((test) => test(read));
};
