import { encodeValue } from '../../model/msgpack.js';
import type { Instant } from '../../model/changeset.js';
import { StorageError } from '../../model/errors.js';
import { isCount } from '../../model/version.js';
import type { AcceptedRun, ReplicaRecord } from '../history/history.js';
import { partsOf, decodeStoredValue } from '../history/record-codec.js';

/** What is known of a replica, as it is written with each batch of its changesets. */
export const encodeReplicaRecord = ({ accepted, user, hasRejected, stamp, run }: ReplicaRecord): Uint8Array =>
  encodeValue([
    ...[accepted, user, hasRejected],
    stamp && [stamp.time, stamp.count],
    run && [run.id, run.from, run.number],
  ]);

const decodeStamp = (value: unknown): Instant | null => {
  const [time, count] = partsOf('the stamp of a changeset', value);
  if (typeof time === 'number' && isCount(count)) return { time, count };
  throw new StorageError('the stamp of a changeset is torn');
};

/** Of an array that begins with the fields of a run. */
export const decodeRunFields = (value: unknown): AcceptedRun => {
  const [id, from, place] = partsOf('a run of a replica', value);
  if (typeof id === 'string' && isCount(from) && isCount(place)) return { id, from, number: place };
  throw new StorageError('a run of a replica is torn');
};

/** `null`: there is nothing under its key. */
export const decodeReplicaRecord = (id: string, value: unknown): ReplicaRecord | null => {
  if (value === undefined) return null;
  const fields: readonly unknown[] = Array.isArray(value) ? value : [];
  const [accepted, user, hasRefused, stamp, run] = fields;
  if (isCount(accepted) && typeof user === 'string' && typeof hasRefused === 'boolean' && fields.length >= 5)
    return {
      ...{ accepted, user, hasRejected: hasRefused },
      stamp: stamp === null ? null : decodeStamp(stamp),
      run: run === null ? null : decodeRunFields(run),
    };
  if (isCount(accepted) && typeof user === 'string')
    throw new StorageError(
      'This data was written by a development version before 0.1.0, which this version cannot read.',
    );
  throw new StorageError(`what is known of replica ${id} is torn`);
};

export const encodeRun = ({ id, from, number }: AcceptedRun): Uint8Array => encodeValue([id, from, number]);

export const decodeRun = (bytes: Uint8Array): AcceptedRun =>
  decodeRunFields(decodeStoredValue('a run of a replica', bytes));
