import { toBytes } from '../model/bytes.js';
import type { Instant } from '../model/changeset.js';
import { StorageError } from '../model/errors.js';
import { isVersion } from '../model/version.js';
import type { AcceptedRun, ReplicaRecord } from './history.js';
import { partsOf, valueOf } from './stored.js';

/** What is known of a replica, as it is written with each batch of its changesets. */
export const recordBytes = ({ accepted, user, hasRefused, stamp, run }: ReplicaRecord): Uint8Array =>
  toBytes([...[accepted, user, hasRefused], stamp && [stamp.time, stamp.count], run && [run.id, run.from, run.place]]);

const stampIn = (value: unknown): Instant | null => {
  const [time, count] = partsOf('the stamp of a changeset', value);
  if (typeof time === 'number' && isVersion(count)) return { time, count };
  throw new StorageError('the stamp of a changeset is torn');
};

/** Of an array that begins with the fields of a run. */
export const runIn = (value: unknown): AcceptedRun => {
  const [id, from, place] = partsOf('a run of a replica', value);
  if (typeof id === 'string' && isVersion(from) && isVersion(place)) return { id, from, place };
  throw new StorageError('a run of a replica is torn');
};

/** `null`: there is nothing under its key. */
export const recordIn = (id: string, value: unknown): ReplicaRecord | null => {
  if (value === undefined) return null;
  const fields: readonly unknown[] = Array.isArray(value) ? value : [];
  const [accepted, user, hasRefused, stamp, run] = fields;
  if (isVersion(accepted) && typeof user === 'string' && typeof hasRefused === 'boolean' && fields.length >= 5)
    return {
      ...{ accepted, user, hasRefused },
      stamp: stamp === null ? null : stampIn(stamp),
      run: run === null ? null : runIn(run),
    };
  if (isVersion(accepted) && typeof user === 'string')
    throw new StorageError(
      'This data was written by a development version before 0.1.0, which this version cannot read.',
    );
  throw new StorageError(`what is known of replica ${id} is torn`);
};

export const runBytes = ({ id, from, place }: AcceptedRun): Uint8Array => toBytes([id, from, place]);

export const runOfBytes = (bytes: Uint8Array): AcceptedRun => runIn(valueOf('a run of a replica', bytes));
