import type { Storage, StorageChange } from '../storage/storage.js';
import { allOf, assertSame } from './suite-assertions.js';

/** One test of the suite, on a new and empty storage that is closed afterwards. Rejects with the failure. */
export type StorageTest = (storage: Storage) => Promise<void>;

export const createPut = (key: string, ...bytes: readonly number[]): StorageChange => ({
  type: 'put',
  key,
  value: Uint8Array.from(bytes),
});
export const createDelete = (key: string): StorageChange => ({ type: 'del', key });
export const createPuts = (count: number): StorageChange[] =>
  Array.from({ length: count }, (_, at) => createPut(`k${String(at).padStart(6, '0')}`, at % 256, at >> 8));

export const writeBatch = async (
  storage: Storage,
  changes: readonly StorageChange[],
  durable = false,
): Promise<void> => {
  assertSame('emissions of a batch', await allOf(storage.batch(changes, { durable })), []);
};
