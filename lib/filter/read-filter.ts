import { describeValue } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { encodeValue } from '../model/msgpack.js';
import { isLeft, left, right, type Either } from '../model/result.js';
import { copyValue, type Value } from '../model/value.js';
import { canonicalFilterOf } from './canonical-filter.js';
import { kindOf, type StoredFilter } from './stored-filter.js';

/** The reason why a filter is over a limit; `null`: it is within all of them. */
export const findExceededLimit = (canonical: StoredFilter): string | null => {
  const { filterBytesMax, filterDepthMax, filterValuesMax } = limits;
  if (depthOf(canonical) > filterDepthMax) return `filters in filters at most ${filterDepthMax} deep`;
  if (valuesOf(canonical) > filterValuesMax) return `at most ${filterValuesMax} values for one property`;
  if (encodeValue(canonical).byteLength > filterBytesMax) return `at most ${filterBytesMax} bytes`;
  return null;
};

const partsOf = (filter: StoredFilter): readonly StoredFilter[] =>
  typeof filter === 'object' && ['and', 'or', 'not'].includes(filter[0])
    ? (filter.slice(1) as readonly StoredFilter[])
    : [];

const depthOf = (filter: StoredFilter): number => 1 + Math.max(0, ...partsOf(filter).map(depthOf));

const valuesOf = (filter: StoredFilter): number =>
  typeof filter === 'object' && filter[0] === 'in' ? filter.length - 2 : Math.max(0, ...partsOf(filter).map(valuesOf));

const readProperty = (given: unknown): Either<string, string> =>
  typeof given === 'string' && given.length <= limits.nameCharsMax
    ? right(given)
    : left(`a property must be a name, received ${describeValue(given)}`);

const isComparable = (given: unknown): given is Value => {
  if (typeof given === 'number') return Number.isFinite(given);
  return given !== undefined && kindOf(given as Value) !== 'other' && typeof given !== 'bigint';
};

const readValues = (given: readonly unknown[]): Either<string, readonly Value[]> => {
  const wrong = given.findIndex((each) => !isComparable(each));
  return wrong === -1
    ? right((given as readonly Value[]).map(copyValue))
    : left(`a filter must have values without parts, received ${describeValue(given[wrong])}`);
};

const readAll = (given: readonly unknown[], depthMax: number): Either<string, StoredFilter[]> => {
  const all: StoredFilter[] = [];
  for (const each of given) {
    const one = readPart(each, depthMax - 1);
    if (isLeft(one)) return one;
    all.push(one.right);
  }
  return right(all);
};

const readCondition = (
  operator: unknown,
  property: unknown,
  given: readonly unknown[],
): Either<string, StoredFilter> => {
  const isOrder = operator === 'gt' || operator === 'gte' || operator === 'lt' || operator === 'lte';
  if (!isOrder && operator !== 'in')
    return left(`a filter must have a known operator, received ${describeValue(operator)}`);
  const name = readProperty(property);
  if (isLeft(name)) return name;
  const values = readValues(given);
  if (isLeft(values)) return values;
  if (!isOrder) return right(['in', name.right, ...values.right]);
  const [value] = values.right;
  return value !== undefined && values.right.length === 1
    ? right([operator, name.right, value])
    : left(`${operator} must have one value, received ${values.right.length}`);
};

const readPart = (given: unknown, depthMax: number): Either<string, StoredFilter> => {
  if (typeof given === 'boolean') return right(given);
  if (!Array.isArray(given)) return left(`a filter must be an array, received ${describeValue(given)}`);
  if (depthMax === 0) return left(`a filter must have filters in filters at most ${limits.filterDepthMax} deep`);
  const [operator, ...parts] = given as readonly unknown[];
  if (operator !== 'and' && operator !== 'or' && operator !== 'not')
    return readCondition(operator, parts[0], parts.slice(1));
  const all = readAll(parts, depthMax);
  if (isLeft(all)) return all;
  const [first] = all.right;
  if (operator !== 'not') return right([operator, ...all.right]);
  return first !== undefined && all.right.length === 1
    ? right(['not', first])
    : left(`not must have one filter, received ${all.right.length}`);
};

/**
 * Reads a filter that was received or stored, and returns its canonical form, or the reason why it is invalid or over a
 * limit, as the end of a sentence. Never throws. It shares no bytes with the frame.
 */
export const readFilter = (given: unknown): Either<string, StoredFilter> => {
  const read = readPart(given, limits.filterDepthMax);
  if (isLeft(read)) return read;
  const canonical = canonicalFilterOf(read.right);
  const exceeded = findExceededLimit(canonical);
  return exceeded === null ? right(canonical) : left(`a filter must have ${exceeded}`);
};
