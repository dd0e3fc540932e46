import { limits } from '../lib/model/limits.js';
import { serverLimits } from '../lib/server/server-limits.js';
import type { DiskCounts } from './disk-counts.js';
import { InvariantError } from './invariants.js';
import { memosMax } from './random-edits.js';

/**
 * Upper limits of resources in use. They grow with the number of devices and objects, and not with the duration or with
 * a bad network.
 */
const bounds = {
  /** Timers of the network, the disks, the server and all devices, per device; runs show up to 11. */
  timers: 25,
  /** Bytes in flight in one direction of a connection: the bytes that may be sent before an acknowledgement. */
  bytesInFlight: Math.max(limits.pagesInFlightMax * limits.pageBytesMax, limits.downloadBytesInFlightMax),
  /** Keys of a device that are not objects: records of its realm. */
  records: 50,
  /** Tombstones of a device: deleted objects that are remembered. All devices share the same keys. */
  deleted: 3 + memosMax,
} as const;

const checkAtMost = (resource: string, count: number, bound: number): void => {
  if (count > bound)
    throw new InvariantError('resource use is bounded', `${resource}: ${count}, at most ${bound} allowed`);
};

/** Resources in use at one moment of a run. */
export interface ResourceCounts {
  readonly devices: number;
  /** Most tabs of a device. */
  readonly tabs: number;
  readonly timers: number;
  readonly connections: number;
  readonly bytesInFlight: number;
}

export const checkResources = ({ devices, tabs, timers, connections, bytesInFlight }: ResourceCounts): void => {
  checkAtMost('timers', timers, devices * tabs * bounds.timers);
  checkAtMost('connections', connections, devices * Math.min(tabs, 2)); // Two while tabs hand over the lead.
  checkAtMost('bytes in flight', bytesInFlight, bounds.bytesInFlight);
};

/** Checks a device's disk after everything is uploaded and downloaded. */
export const checkDisk = (
  deviceName: string,
  { waiting, objects, rows, replacedRows, rejected, others }: DiskCounts,
  downloaded: number,
): void => {
  checkAtMost(`changesets in the outbox of ${deviceName}`, waiting, 0);
  checkAtMost(`deleted objects of ${deviceName}`, objects - downloaded, bounds.deleted);
  checkAtMost(`records of ${deviceName}`, others, bounds.records);
  checkAtMost(`replaced rows in blocks of ${deviceName}`, replacedRows, rows / 2);
  checkAtMost(`rejected writes of ${deviceName}`, rejected, limits.rejectedKeptMax);
};

/** Checks the length of a history that no replica needs any more. */
export const checkHistory = (changesets: number): void =>
  checkAtMost('changesets in a history that all replicas have downloaded', changesets, serverLimits.trimEntriesMin);
