import { StorageError } from '../model/errors.js';

/** Reads a field of a thrown value. By shape, because errors of a native module may have another `Error` class. */
export const fieldOf = (thrown: unknown, name: 'code' | 'cause' | 'message' | 'name'): unknown =>
  typeof thrown === 'object' && thrown !== null ? (thrown as Record<string, unknown>)[name] : undefined;

/**
 * Converts a thrown value to a `StorageError` whose text begins with the failed action. Returns a `StorageError`
 * unchanged.
 */
export const toStorageError = (action: string, thrown: unknown): StorageError => {
  if (thrown instanceof StorageError) return thrown;
  const message = String(fieldOf(thrown, 'message') ?? thrown);
  const reason = message === '' ? String(fieldOf(thrown, 'name')) : message; // Some errors of browsers have only a name.
  return new StorageError(`${action}: ${reason}`, { cause: thrown });
};

/** Returns a `catch` handler of a promise that throws the `StorageError`. */
export const throwStorageError = (action: string) => (thrown: unknown) => {
  throw toStorageError(action, thrown);
};
