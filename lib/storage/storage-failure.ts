import { StorageError } from '../model/errors.js';

/** A field of what was thrown. By shape: errors of a native module may be of another realm's `Error`. */
export const fieldOf = (thrown: unknown, name: 'code' | 'cause' | 'message' | 'name'): unknown =>
  typeof thrown === 'object' && thrown !== null ? (thrown as Record<string, unknown>)[name] : undefined;

/** What an engine threw, as a `StorageError` that begins with what did not work; a `StorageError` as it is. */
export const toStorageError = (what: string, thrown: unknown): StorageError => {
  if (thrown instanceof StorageError) return thrown;
  const message = String(fieldOf(thrown, 'message') ?? thrown);
  const why = message === '' ? String(fieldOf(thrown, 'name')) : message; // Browsers have errors that are only a name.
  return new StorageError(`${what}: ${why}`, { cause: thrown });
};

/** Throws it, for the end of a promise. */
export const throwStorageError = (what: string) => (thrown: unknown) => {
  throw toStorageError(what, thrown);
};
