import { encodeValue } from '../../model/msgpack.js';
import type { Instant } from '../../model/changeset.js';
import { StorageError } from '../../model/errors.js';
import { createDamageError, decodeStoredValue, storedFieldsOf } from '../../model/stored-data.js';
import { isCount } from '../../model/version.js';
import type { AcceptedRun, ReplicaRecord } from '../history/history.js';

/** Encodes the record of a replica, which is written with each batch of its changesets. */
export const encodeReplicaRecord = ({ accepted, user, hasRejected, stamp, run }: ReplicaRecord): Uint8Array =>
  encodeValue([
    ...[accepted, user, hasRejected],
    stamp && [stamp.time, stamp.count],
    run && [run.id, run.from, run.number],
  ]);

const stampOf = (key: string, value: unknown): Instant => {
  const [time, count] = storedFieldsOf(key, value);
  if (typeof time === 'number' && isCount(count)) return { time, count };
  throw createDamageError('record', key);
};

/** Returns the run in an array that begins with its fields. */
const runOf = (key: string, value: unknown): AcceptedRun => {
  const [id, from, number] = storedFieldsOf(key, value);
  if (typeof id === 'string' && isCount(from) && isCount(number)) return { id, from, number };
  throw createDamageError('record', key);
};

/** Returns the record of a replica; `null` if nothing is stored. Throws a `StorageError` for another value. */
export const toReplicaRecord = (key: string, value: unknown): ReplicaRecord | null => {
  if (value === undefined) return null;
  const fields = storedFieldsOf(key, value);
  const [accepted, user, hasRejected, stamp, run] = fields;
  if (isCount(accepted) && typeof user === 'string' && typeof hasRejected === 'boolean' && fields.length >= 5)
    return {
      ...{ accepted, user, hasRejected },
      stamp: stamp === null ? null : stampOf(key, stamp),
      run: run === null ? null : runOf(key, run),
    };
  if (isCount(accepted) && typeof user === 'string')
    throw new StorageError(
      'This data was written by a development version before 0.1.0, which this version cannot read.',
    );
  throw createDamageError('record', key);
};

export const encodeRun = ({ id, from, number }: AcceptedRun): Uint8Array => encodeValue([id, from, number]);

/** Decodes the run under a storage key. Throws a `StorageError` for other bytes. */
export const decodeRun = (key: string, bytes: Uint8Array): AcceptedRun => runOf(key, decodeStoredValue(key, bytes));
