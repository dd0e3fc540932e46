import { limits } from '../lib/model/limits.js';
import type { Device } from './device.js';
import { Broken } from './judge.js';

/** What may be held at once, whatever happens: it grows with how many there are, and not with how long it lasts or how bad the network is. */
const most = {
  /** Timers of the network, the disks, the server and all devices, for each device; up to 11 are seen. */
  timers: 25,
  /** Bytes on their way, one way of one line: what may be sent before it is acknowledged. */
  flying: limits.pagesInFlightMax * limits.pageBytesMax,
  /** Keys of a device that are no objects: records of its realm. */
  records: 50,
  /** Objects of a device that nobody sees: what was deleted and is remembered. As many are shared by all. */
  deleted: 3,
} as const;

const atMost = (what: string, has: number, bound: number): void => {
  if (has > bound) throw new Broken('what is held is bounded', `${what}: ${has}, and ${bound} at most`);
};

/** What is held in the middle of everything. */
export interface Held {
  readonly devices: number;
  readonly timers: number;
  readonly lines: number;
  readonly flying: number;
}

export const checkHeld = ({ devices, timers, lines, flying }: Held): void => {
  atMost('timers', timers, devices * most.timers);
  atMost('lines', lines, devices);
  atMost('bytes on their way', flying, most.flying);
};

/** What is left of a device when all is uploaded and downloaded. */
export const checkKept = (
  who: string,
  { waiting, objects, rejected, all }: ReturnType<Device['kept']>,
  seen: number,
): void => {
  atMost(`changesets in the outbox of ${who}`, waiting, 0);
  atMost(`objects of ${who} that were deleted`, objects - seen, most.deleted);
  atMost(`records of ${who}`, all - objects - waiting - rejected, most.records);
  atMost(`rejected writes of ${who}`, rejected, limits.refusedKeptMax);
};

/** What is left of a history that nobody needs any more. */
export const checkHistory = (changesets: number): void =>
  atMost('changesets in a history that all have seen', changesets, limits.trimEntriesMin);
