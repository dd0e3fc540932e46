/*
 * Type tests for built-in types of any window. A test environment such as jsdom runs its code in a window of its own.
 * There, values that Node makes have other classes, so that `instanceof` is false, and some classes are missing.
 */

const tagOf = (value: unknown): string =>
  typeof value === 'object' && value !== null ? Object.prototype.toString.call(value) : ''; // Strings and numbers are the most frequent arguments.

/** Whether a value is a `Uint8Array`, of any window. */
export const isBytes = (value: unknown): value is Uint8Array =>
  ArrayBuffer.isView(value) && (value instanceof Uint8Array || tagOf(value) === '[object Uint8Array]');

/** Whether an object really is a `Date`: `getTime` throws for anything else. */
const hasTime = (value: unknown): boolean => {
  try {
    Date.prototype.getTime.call(value);
    return true;
  } catch {
    return false;
  }
};

/** Whether a value is a `Date`, of any window. */
export const isDate = (value: unknown): value is Date =>
  (value instanceof Date || tagOf(value) === '[object Date]') && hasTime(value);

/** Whether a value is a `Set`, of any window. */
export const isSet = (value: unknown): value is Set<unknown> => value instanceof Set || tagOf(value) === '[object Set]';

/** Whether a value is a `RegExp`, of any window. */
export const isRegExp = (value: unknown): value is RegExp =>
  value instanceof RegExp || tagOf(value) === '[object RegExp]';

/** Whether an object is a plain record and not an instance of a class. Another window has another `Object`. */
export const isPlainObject = (given: object): boolean => {
  const prototype = Object.getPrototypeOf(given) as object | null;
  if (prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
};

type TextCodecs = Pick<typeof globalThis, 'TextDecoder' | 'TextEncoder'>;

/** Returns the text codecs of this platform; Node's own where the global ones are missing, as in Jest's jsdom. */
const findTextCodecs = (): TextCodecs => {
  if (typeof globalThis.TextDecoder === 'function') return globalThis;
  const { process } = globalThis as { process?: { readonly getBuiltinModule?: (name: string) => unknown } };
  const codecs = process?.getBuiltinModule?.('node:util') as TextCodecs | undefined;
  if (codecs) return codecs;
  throw new TypeError('This platform has no TextDecoder: provide one as a global before tidemark is loaded.');
};

const { TextDecoder: Decoder, TextEncoder: Encoder } = findTextCodecs();

/** A decoder of UTF-8 that keeps a byte order mark. */
export const utf8Decoder = new Decoder('utf-8', { ignoreBOM: true });

/** An encoder of UTF-8. */
export const utf8Encoder = new Encoder();
