import { StorageError } from '../lib/model/errors.js';
import { decodeValue, encodeValue } from '../lib/model/msgpack.js';
import type { StorageEntry } from '../lib/storage/storage.js';

/** Values that replace one field of a stored record. */
const wrongFields: readonly unknown[] = [null, -1, 0.5, 'x', true, new Uint8Array(1), [], [5], [[5]], { a: 1 }];

/** Damaged versions of a stored value: other bytes, another value, and an array with a wrong or missing field. */
const damagedVersionsOf = (bytes: Uint8Array): readonly Uint8Array[] => {
  const read = decodeValue(bytes);
  const fields = 'right' in read && Array.isArray(read.right) ? (read.right as readonly unknown[]) : [];
  return [
    ...[new Uint8Array(0), Uint8Array.of(0xc1), bytes.subarray(0, -1), Uint8Array.of(...bytes, 0)],
    ...[...wrongFields, 7, ['x']].map(encodeValue),
    ...fields.flatMap((_, at) => [
      encodeValue(fields.slice(0, at)),
      ...wrongFields.map((wrong) => encodeValue(fields.with(at, wrong))),
    ]),
  ];
};

/** Describes a thrown value with its stack. */
const describeError = (thrown: unknown): string =>
  thrown instanceof Error ? String(thrown.stack) : JSON.stringify(thrown);

/**
 * Damages each entry in every way, one at a time. Throws for damage after which `errorOf` resolves with another error
 * than a `StorageError`. `null` stands for damage that is not noticed.
 */
export const checkEveryDamage = async (
  entries: readonly StorageEntry[],
  errorOf: (entries: readonly StorageEntry[]) => Promise<unknown>,
): Promise<void> => {
  for (const [at, [key, value]] of entries.entries()) {
    for (const damaged of damagedVersionsOf(value)) {
      const error = await errorOf(entries.with(at, [key, damaged]));
      if (error !== null && !(error instanceof StorageError))
        throw new Error(`${key} with ${JSON.stringify([...damaged])}: ${describeError(error)}`);
    }
  }
};
