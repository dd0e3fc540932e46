import { map, type Observable } from 'rxjs';
import { decodeValue, encodeValue } from '../../model/msgpack.js';
import { isLeft } from '../../model/result.js';
import { fingerprintOf, type Shapes } from '../../model/schema.js';
import { keyRangeOf, type Storage, type StorageChange } from '../../storage/storage.js';
import { schemaKey } from '../storage-keys.js';
import type { Objects } from './objects.js';

/*
 * The fingerprint of a schema is stored with a realm while all of its objects fit that schema. An app that opens the
 * realm with the same schema then need not check the objects.
 */

/** Reads the stored fingerprint; `null` without one. Emits once and completes. */
export const readFingerprint = (storage: Storage): Observable<string | null> =>
  storage.range(keyRangeOf(schemaKey)).pipe(
    map(([found]) => {
      const read = found && decodeValue(found[1]);
      return read === undefined || isLeft(read) || typeof read.right !== 'string' ? null : read.right;
    }),
  );

/** Stores the fingerprint of a schema that all objects fit. */
export const toFingerprintPut = (shapes: Shapes): StorageChange => ({
  type: 'put',
  key: schemaKey,
  value: encodeValue(fingerprintOf(shapes)),
});

/** Keeps the stored fingerprint up to date. */
export interface Fingerprint {
  /** The changes for the next batch, in which the objects that the fingerprint describes are stored too. */
  readonly takeChanges: () => readonly StorageChange[];
  /** Called when a batch failed: it is unknown which fingerprint is stored. */
  readonly failed: () => void;
}

export const createFingerprint = (
  shapes: Shapes,
  objects: Pick<Objects, 'fits'>,
  found: string | null,
): Fingerprint => {
  const own = fingerprintOf(shapes);
  let stored: string | null | undefined = found;
  return {
    takeChanges: () => {
      const next = objects.fits() ? own : null;
      if (next === stored) return [];
      stored = next;
      return [next === null ? { type: 'del', key: schemaKey } : toFingerprintPut(shapes)];
    },
    failed: () => {
      stored = undefined;
    },
  };
};
