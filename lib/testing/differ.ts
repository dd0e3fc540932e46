/** Where two values first differ: `.connection.state`; empty when they differ as a whole. */
export interface Difference {
  readonly path: string;
  readonly expected: unknown;
  readonly actual: unknown;
}

type Keyed = Readonly<Record<string, unknown>>;

/** What `expect.any(…)` and its like are, in Jest, Vitest and Jasmine. */
interface Matcher {
  readonly asymmetricMatch: (actual: unknown) => boolean;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isMatcher = (value: unknown): value is Matcher =>
  isObject(value) && 'asymmetricMatch' in value && typeof value.asymmetricMatch === 'function';

const kindOf = (value: object): string => Object.prototype.toString.call(value).slice(8, -1);

/** A value as names and parts, so that all kinds of containers are compared in one way. */
const partsOf = (value: object): readonly (readonly [name: string, part: unknown])[] => {
  if (value instanceof Map)
    return [...value].flatMap(([key, part], at) => [[` key ${at}`, key] as const, [` value ${at}`, part] as const]);
  if (value instanceof Set) return [...value].map((part, at) => [` member ${at}`, part]);
  if (value instanceof Date || value instanceof RegExp)
    return [['', String(value instanceof Date ? value.getTime() : value)]];
  const parts = Object.entries(value).map(
    ([name, part]) => [Array.isArray(value) ? `[${name}]` : `.${name}`, part] as const,
  );
  return value instanceof Error ? [['.name', value.name], ['.message', value.message], ...parts] : parts;
};

/** Parts that only one of two has, too: what is undefined is as if it were not there, as `toEqual` has it. */
const pairsOf = (
  expected: object,
  actual: object,
): readonly (readonly [name: string, expected: unknown, actual: unknown])[] => {
  const [wanted, came] = [new Map(partsOf(expected)), new Map(partsOf(actual))];
  return [...new Set([...wanted.keys(), ...came.keys()])].map((name) => [name, wanted.get(name), came.get(name)]);
};

const differing = (expected: unknown, actual: unknown, path: string, above: readonly unknown[]): Difference | null => {
  if (Object.is(expected, actual) || above.includes(expected)) return null;
  const whole = { path, expected, actual };
  if (isMatcher(expected)) return expected.asymmetricMatch(actual) ? null : whole;
  if (!isObject(expected) || !isObject(actual) || kindOf(expected) !== kindOf(actual)) return whole;
  for (const [name, wanted, came] of pairsOf(expected, actual)) {
    const found = differing(wanted, came, `${path}${name}`, [...above, expected]);
    if (found) return found;
  }
  return null;
};

/**
 * The first difference of two values, `null` when there is none: as `toEqual` of Jest, Vitest and Jasmine sees it, matchers such as
 * `expect.any(…)` included; functions are the same only when they are one.
 */
export const difference = (expected: unknown, actual: unknown): Difference | null =>
  differing(expected, actual, '', []);

const charsMax = 200; // Of one value in a message: a line or two of a terminal.
const depthMax = 5;

const words = (value: unknown, depth: number): string => {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (!isObject(value)) return String(value);
  if (isMatcher(value)) return 'sample' in value ? `a matcher of ${words(value.sample, depth - 1)}` : 'a matcher';
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (depth === 0) return '…';
  if (ArrayBuffer.isView(value))
    return `${kindOf(value)} [${[...new Uint8Array(value.buffer, value.byteOffset, Math.min(value.byteLength, 16))].join(' ')}${value.byteLength > 16 ? ' …' : ''}]`;
  if (Array.isArray(value))
    return `[${value
      .slice(0, 50)
      .map((part) => words(part, depth - 1))
      .join(', ')}${value.length > 50 ? ', …' : ''}]`;
  if (value instanceof Map || value instanceof Set) return `${kindOf(value)} ${words([...value], depth - 1)}`;
  const parts = Object.entries(value as Keyed).slice(0, 50);
  return parts.length === 0
    ? '{}'
    : `{ ${parts.map(([name, part]) => `${name}: ${words(part, depth - 1)}`).join(', ')} }`;
};

/** A value in one line of at most 200 characters, for people. */
export const shown = (value: unknown): string => {
  const text = words(value, depthMax);
  return text.length > charsMax ? `${text.slice(0, charsMax)}…` : text;
};
