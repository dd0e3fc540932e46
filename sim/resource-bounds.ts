import { limits } from '../lib/model/limits.js';
import type { Device } from './device.js';
import { InvariantError } from './invariants.js';
import { memosMax } from './random-edits.js';

/**
 * What may be held at once, whatever happens: it grows with how many there are, and not with how long it lasts or how
 * bad the network is.
 */
const bounds = {
  /** Timers of the network, the disks, the server and all devices, for each device; up to 11 are seen. */
  timers: 25,
  /** Bytes on their way, one way of one line: what may be sent before it is acknowledged. */
  flying: limits.pagesInFlightMax * limits.pageBytesMax,
  /** Keys of a device that are no objects: records of its realm. */
  records: 50,
  /** Objects of a device that nobody sees: what was deleted and is remembered. As many are shared by all. */
  deleted: 3 + memosMax,
} as const;

const checkAtMost = (what: string, has: number, bound: number): void => {
  if (has > bound) throw new InvariantError('what is held is bounded', `${what}: ${has}, and ${bound} at most`);
};

/** What is held in the middle of everything. */
export interface ResourceCounts {
  readonly devices: number;
  readonly timers: number;
  readonly connections: number;
  readonly bytesInFlight: number;
}

export const checkResources = ({ devices, timers, connections, bytesInFlight }: ResourceCounts): void => {
  checkAtMost('timers', timers, devices * bounds.timers);
  checkAtMost('lines', connections, devices);
  checkAtMost('bytes on their way', bytesInFlight, bounds.flying);
};

/** What is left of a device when all is uploaded and downloaded. */
export const checkDisk = (
  who: string,
  { waiting, objects, rejected, all }: ReturnType<Device['kept']>,
  seen: number,
): void => {
  checkAtMost(`changesets in the outbox of ${who}`, waiting, 0);
  checkAtMost(`objects of ${who} that were deleted`, objects - seen, bounds.deleted);
  checkAtMost(`records of ${who}`, all - objects - waiting - rejected, bounds.records);
  checkAtMost(`rejected writes of ${who}`, rejected, limits.rejectedKeptMax);
};

/** What is left of a history that nobody needs any more. */
export const checkHistory = (changesets: number): void =>
  checkAtMost('changesets in a history that all have seen', changesets, limits.trimEntriesMin);
