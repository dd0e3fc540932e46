import { encodeValue } from '../../model/msgpack.js';
import type { Instant } from '../../model/changeset.js';
import { StorageError } from '../../model/errors.js';
import { isCount } from '../../model/version.js';
import type { AcceptedRun, ReplicaRecord } from '../history/history.js';
import { partsOf, decodeStoredValue } from '../history/record-codec.js';

/** Encodes the record of a replica, which is written with each batch of its changesets. */
export const encodeReplicaRecord = ({ accepted, user, hasRejected, stamp, run }: ReplicaRecord): Uint8Array =>
  encodeValue([
    ...[accepted, user, hasRejected],
    stamp && [stamp.time, stamp.count],
    run && [run.id, run.from, run.number],
  ]);

const decodeStamp = (value: unknown): Instant | null => {
  const [time, count] = partsOf('The stamp of a changeset', value);
  if (typeof time === 'number' && isCount(count)) return { time, count };
  throw new StorageError('The stamp of a changeset is corrupt.');
};

/** Decodes an array that begins with the fields of a run. */
export const decodeRunFields = (value: unknown): AcceptedRun => {
  const [id, from, number] = partsOf('A run of a replica', value);
  if (typeof id === 'string' && isCount(from) && isCount(number)) return { id, from, number };
  throw new StorageError('A run of a replica is corrupt.');
};

/** Decodes the record of a replica; `null` if nothing is stored. */
export const decodeReplicaRecord = (id: string, value: unknown): ReplicaRecord | null => {
  if (value === undefined) return null;
  const fields: readonly unknown[] = Array.isArray(value) ? value : [];
  const [accepted, user, hasRejected, stamp, run] = fields;
  if (isCount(accepted) && typeof user === 'string' && typeof hasRejected === 'boolean' && fields.length >= 5)
    return {
      ...{ accepted, user, hasRejected },
      stamp: stamp === null ? null : decodeStamp(stamp),
      run: run === null ? null : decodeRunFields(run),
    };
  if (isCount(accepted) && typeof user === 'string')
    throw new StorageError(
      'This data was written by a development version before 0.1.0, which this version cannot read.',
    );
  throw new StorageError(`The record of replica ${id} is corrupt.`);
};

export const encodeRun = ({ id, from, number }: AcceptedRun): Uint8Array => encodeValue([id, from, number]);

export const decodeRun = (bytes: Uint8Array): AcceptedRun =>
  decodeRunFields(decodeStoredValue('A run of a replica', bytes));
