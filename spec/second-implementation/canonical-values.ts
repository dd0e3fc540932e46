import type { Value } from './msgpack.js';
import { compareTexts } from './timestamps.js';

/** Returns the canonical JSON of a value: the entry key of a set's element. */
export function canonicalJsonOf(value: Value): string {
  if (value instanceof Uint8Array) return JSON.stringify(`#${Buffer.from(value).toString('hex')}`);
  if (Array.isArray(value)) return `[${(value as readonly Value[]).map(canonicalJsonOf).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const map = value as Readonly<Record<string, Value>>;
  const names = Object.keys(map).sort(compareTexts);
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonicalJsonOf(map[name]!)}`).join(',')}}`;
}

/** Compares two values with the same stamp. The greater one takes effect. */
export function compareValues(a: Value, b: Value): number {
  if (rankOf(a) !== rankOf(b)) return rankOf(a) - rankOf(b);
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return compareTexts(a, b);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  return compareTexts(canonicalJsonOf(a), canonicalJsonOf(b));
}

/** Returns the rank of a value's kind: nil, booleans, numbers, strings, binary, arrays, maps. */
function rankOf(value: Value): number {
  if (value instanceof Uint8Array) return 4;
  if (value === null) return 0;
  if (typeof value === 'object') return Array.isArray(value) ? 5 : 6;
  return ['boolean', 'number', 'string'].indexOf(typeof value) + 1;
}
