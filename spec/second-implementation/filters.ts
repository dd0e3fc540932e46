import { compareValues } from './canonical-values.js';
import type { Value } from './msgpack.js';

/*
 * Implements docs/PROTOCOL.md, "Filters".
 */

export interface FilteredObject {
  readonly key: string | number;
  readonly values: Readonly<Record<string, Value>>;
}

/** Returns the kind of a value. Arrays and maps have none. */
function kindOf(value: Value): string | null {
  if (value === null) return 'nil';
  if (value instanceof Uint8Array) return 'binary';
  return typeof value === 'object' ? null : typeof value;
}

function isAccepted(operator: Value | undefined, order: number): boolean {
  switch (operator) {
    case 'gt':
      return order > 0;
    case 'gte':
      return order >= 0;
    case 'lt':
      return order < 0;
    case 'lte':
      return order <= 0;
    default:
      throw new Error(`no such operator: ${JSON.stringify(operator)}`);
  }
}

export function matches(filter: Value | undefined, object: FilteredObject): boolean {
  if (typeof filter === 'boolean') return filter;
  if (!Array.isArray(filter)) throw new Error('a filter is true, false or an array');
  const [operator, ...rest] = filter as readonly Value[];
  if (operator === 'and') return rest.every((each) => matches(each, object));
  if (operator === 'or') return rest.some((each) => matches(each, object));
  if (operator === 'not') return !matches(rest[0], object);
  const [property, ...operands] = rest;
  if (typeof property !== 'string') throw new Error('a property is a string');
  const value = property === '' ? object.key : (object.values[property] ?? null);
  const kind = kindOf(value);
  const comparable = operands.filter((each) => kind !== null && kindOf(each) === kind);
  if (operator === 'in') return comparable.some((each) => compareValues(each, value) === 0);
  return comparable.some((each) => isAccepted(operator, compareValues(value, each)));
}
