/** The path of the first difference of two values, such as `.connection.state`; empty when they differ as a whole. */
export interface ValueDifference {
  readonly path: string;
  readonly expected: unknown;
  readonly actual: unknown;
}

type Keyed = Readonly<Record<string, unknown>>;

/** An asymmetric matcher such as `expect.any(…)` of Jest, Vitest and Jasmine. */
interface Matcher {
  readonly asymmetricMatch: (actual: unknown) => boolean;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isMatcher = (value: unknown): value is Matcher =>
  isObject(value) && 'asymmetricMatch' in value && typeof value.asymmetricMatch === 'function';

const kindOf = (value: object): string => Object.prototype.toString.call(value).slice(8, -1);

/**
 * The content, as text, of a value of a class without properties to compare. `null`: such values are equal only to
 * themselves.
 */
const contentOf = (value: object): string | null | undefined => {
  if (value instanceof Date) return String(value.getTime());
  if (value instanceof RegExp) return String(value);
  if (value instanceof URL) return value.href;
  if (value instanceof ArrayBuffer) return new Uint8Array(value).join(' ');
  if (value instanceof DataView) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).join(' ');
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return String(value);
  return value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet ? null : undefined;
};

/** The names and parts of a value, so that all containers are compared in the same way. */
const partsOf = (value: object): readonly (readonly [name: string, part: unknown])[] => {
  const named = Object.entries(value).map(
    ([name, part]) => [Array.isArray(value) ? `[${name}]` : `.${name}`, part] as const,
  );
  const symbols = Object.getOwnPropertySymbols(value)
    .filter((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol))
    .map((symbol) => [`[${String(symbol)}]`, (value as Record<symbol, unknown>)[symbol]] as const);
  const parts = [...named, ...symbols];
  return value instanceof Error ? [['.name', value.name], ['.message', value.message], ...parts] : parts;
};

/** Pairs of parts, including parts of only one value: `undefined` equals a missing part, as in `toEqual`. */
const pairsOf = (
  expected: object,
  actual: object,
): readonly (readonly [name: string, expected: unknown, actual: unknown])[] => {
  const [expectedParts, actualParts] = [new Map(partsOf(expected)), new Map(partsOf(actual))];
  return [...new Set([...expectedParts.keys(), ...actualParts.keys()])].map((name) => [
    name,
    expectedParts.get(name),
    actualParts.get(name),
  ]);
};

type Pair = readonly [expected: unknown, actual: unknown];

/** Compares sets and maps in any order. A member of only one of them is a difference of the whole. */
const findUnmatched = (
  { path, expected, actual }: ValueDifference,
  [expectedAll, actualAll]: readonly [readonly unknown[], readonly unknown[]],
  above: readonly Pair[],
): ValueDifference | null => {
  const unmatched = [...actualAll];
  for (const one of expectedAll) {
    const at = unmatched.findIndex((other) => compareValues(one, other, '', above) === null);
    if (at < 0) return { path, expected, actual };
    unmatched.splice(at, 1);
  }
  return unmatched.length === 0 ? null : { path, expected, actual };
};

const compareObjects = (
  expected: object,
  actual: object,
  path: string,
  above: readonly Pair[],
): ValueDifference | null => {
  const whole = { path, expected, actual };
  if (kindOf(expected) !== kindOf(actual)) return whole;
  const [expectedContent, actualContent] = [contentOf(expected), contentOf(actual)];
  if (expectedContent !== undefined)
    return expectedContent === null || expectedContent !== actualContent ? whole : null;
  if (expected instanceof Map && actual instanceof Map) return compareMaps(whole, [expected, actual], above);
  if (expected instanceof Set && actual instanceof Set)
    return findUnmatched(whole, [[...expected], [...actual]], above);
  for (const [name, one, other] of pairsOf(expected, actual)) {
    const found = compareValues(one, other, `${path}${name}`, above);
    if (found) return found;
  }
  return null;
};

/** Compares by key when the keys are the same; otherwise, and for keys that are objects, entry by entry. */
const compareMaps = (
  whole: ValueDifference,
  [expected, actual]: readonly [ReadonlyMap<unknown, unknown>, ReadonlyMap<unknown, unknown>],
  above: readonly Pair[],
): ValueDifference | null => {
  const isSameKeys = expected.size === actual.size && [...expected.keys()].every((key) => actual.has(key));
  if (!isSameKeys) return findUnmatched(whole, [[...expected], [...actual]], above);
  for (const [key, one] of expected) {
    const found = compareValues(one, actual.get(key), `${whole.path} of ${formatValue(key)}`, above);
    if (found) return found;
  }
  return null;
};

const compareValues = (
  expected: unknown,
  actual: unknown,
  path: string,
  above: readonly Pair[],
): ValueDifference | null => {
  if (Object.is(expected, actual)) return null;
  if (isMatcher(expected)) return expected.asymmetricMatch(actual) ? null : { path, expected, actual };
  if (!isObject(expected) || !isObject(actual)) return { path, expected, actual };
  // A pair inside itself is as equal as the values around it.
  if (above.some(([one, other]) => one === expected && other === actual)) return null;
  return compareObjects(expected, actual, path, [...above, [expected, actual]]);
};

/**
 * Returns the first difference of two values, or `null`, as `toEqual` of Jest, Vitest and Jasmine defines it, including
 * matchers such as `expect.any(…)`. Functions are equal only when they are identical.
 */
export const findDifference = (expected: unknown, actual: unknown): ValueDifference | null =>
  compareValues(expected, actual, '', []);

const charsMax = 200; // Of one value in a message: one or two lines of a terminal.
const depthMax = 5;

const formatPart = (value: unknown, depth: number): string => {
  if (typeof value === 'string') return `'${value.replace(/[\n\r\t]/g, (one) => JSON.stringify(one).slice(1, -1))}'`;
  if (Object.is(value, -0)) return '-0';
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (!isObject(value)) return String(value);
  if (isMatcher(value)) return 'sample' in value ? `a matcher of ${formatPart(value.sample, depth - 1)}` : 'a matcher';
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (value instanceof URL) return `URL ${value.href}`;
  if (value instanceof RegExp) return String(value);
  if (depth === 0) return '…';
  if (ArrayBuffer.isView(value))
    return `${kindOf(value)} [${[...new Uint8Array(value.buffer, value.byteOffset, Math.min(value.byteLength, 16))].join(' ')}${value.byteLength > 16 ? ' …' : ''}]`;
  if (Array.isArray(value))
    return `[${value
      .slice(0, 50)
      .map((part) => formatPart(part, depth - 1))
      .join(', ')}${value.length > 50 ? ', …' : ''}]`;
  if (value instanceof Map || value instanceof Set) return `${kindOf(value)} ${formatPart([...value], depth - 1)}`;
  const parts = Object.entries(value as Keyed).slice(0, 50);
  return parts.length === 0
    ? '{}'
    : `{ ${parts.map(([name, part]) => `${name}: ${formatPart(part, depth - 1)}`).join(', ')} }`;
};

/** Formats a value for a message in one line of at most 200 characters. */
export const formatValue = (value: unknown): string => {
  const text = formatPart(value, depthMax);
  return text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
};
