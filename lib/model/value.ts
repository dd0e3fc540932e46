/** A value as it is merged, stored and sent. A `date` is its milliseconds since the epoch, a `uuid` its lower-case text. */
export type Value = null | boolean | number | string | Uint8Array;

/** A primary key. */
export type Key = string | number;

/** The property values of one object, by name. */
export type Values = Readonly<Record<string, Value>>;

export const isValue = (value: unknown): value is Value =>
  value === null ||
  typeof value === 'string' ||
  typeof value === 'number' ||
  typeof value === 'boolean' ||
  value instanceof Uint8Array;

/** Whether two values are one: bytes byte by byte. */
export const sameValue = (a: Value | undefined, b: Value | undefined): boolean =>
  a instanceof Uint8Array && b instanceof Uint8Array
    ? a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at])
    : a === b;
