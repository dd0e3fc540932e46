import type { Observable } from 'rxjs';
import { decodeValue, encodeValue } from '../../model/msgpack.js';
import { isRight } from '../../model/result.js';
import { fingerprintOf, type Shapes } from '../../model/schema.js';
import { readRecord, type Storage, type StorageChange } from '../../storage/storage.js';
import { schemaKey } from '../storage-keys.js';
import type { Objects } from './objects.js';

/*
 * The fingerprint of a schema is stored with a realm while all of its objects fit that schema. An app that opens the
 * realm with the same schema then need not check the objects.
 */

const decodeFingerprint = (_: string, bytes: Uint8Array): string | null => {
  const read = decodeValue(bytes);
  return isRight(read) && typeof read.right === 'string' ? read.right : null;
};

/**
 * Reads the stored fingerprint; `null` without one. Emits once and completes. A damaged fingerprint counts as a missing
 * one: it only saves the check of the objects, which then takes place and replaces it.
 */
export const readFingerprint = (storage: Storage): Observable<string | null> =>
  readRecord(storage, schemaKey, decodeFingerprint, null);

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
