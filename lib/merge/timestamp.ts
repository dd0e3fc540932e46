import type { Instant } from '../model/changeset.js';
import { isCount } from '../model/version.js';

/** Time, count and replica of one operation. The later stamp decides between two writes of one property. */
export interface Stamp extends Instant {
  readonly replica: string;
}

export const compareInstants = (a: Instant, b: Instant): number => a.time - b.time || a.count - b.count;

/**
 * Compares two stamps in the order on which all replicas agree: time, then count, then the replica's id. Returns 0 only
 * for the same operation.
 */
export const compareStamps = (a: Stamp, b: Stamp): number =>
  a === b ? 0 : compareInstants(a, b) || (a.replica < b.replica ? -1 : a.replica > b.replica ? 1 : 0);

/** Whether a stamp is later than another, or the other is `null`. */
export const isLater = (a: Stamp, b: Stamp | null): boolean => b === null || compareStamps(a, b) > 0;

/** Returns the later of two stamps; the second when they are equal. */
export const laterStampOf = (a: Stamp | null, b: Stamp | null): Stamp | null => (a !== null && isLater(a, b) ? a : b);

/**
 * Whether a write with this stamp replaces an earlier one. Correct replicas never write two operations with the same
 * stamp. For such operations `tie` decides, so that their order of arrival does not matter.
 */
export const wins = (stamp: Stamp, before: Stamp | null, tie: () => number): boolean => {
  const order = before === null ? 1 : compareStamps(stamp, before);
  return order > 0 || (order === 0 && tie() > 0);
};

/**
 * Far above the number of writes of a device in a millisecond, and far enough below 2^53 for the operations of any
 * changeset.
 */
const countMax = 2 ** 52;

/**
 * Returns the instant of the next write, by a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014).
 * This is the device's time if it is later than all known instants, otherwise the next count. A clock that jumps back
 * or returns no valid time has no effect. A count near the end of exact numbers, which no correct device reaches,
 * advances the time instead.
 */
export const nextInstantOf = (last: Instant, now: number): Instant => {
  const time = Math.floor(now);
  if (isCount(time) && time > last.time) return { time, count: 0 };
  return last.count < countMax ? { time: last.time, count: last.count + 1 } : { time: last.time + 1, count: 0 };
};

/**
 * Whether this many operations can be stamped from an instant: all numbers are whole and exact, and later writes have
 * room. Received instants may not be.
 */
export const isStampable = ({ time, count }: Instant, operations: number): boolean =>
  isCount(time) && time < Number.MAX_SAFE_INTEGER && isCount(count) && count <= countMax && isCount(count + operations);

/** Returns the later of two instants; the first when they are equal. */
export const laterInstantOf = (a: Instant, b: Instant): Instant => (compareInstants(a, b) >= 0 ? a : b);

const joinedIdPattern = /^(.+)~([0-9a-z]{1,11})~[0-9A-Za-z]+$/;

/**
 * Returns the id of a replica that joins a realm with another replica's changes, which were written without a server up
 * to a time. The parts are joined by `~`: the other replica's id, the time in base 36, and an id that differs from
 * other copies of the same data.
 */
export const createJoinedId = (replica: string, upTo: number, id: string): string =>
  `${replica}~${upTo.toString(36)}~${id}`;

/** Returns the id of a replica that continues another one. It keeps the joined part of that id. */
export const createSuccessorId = (replica: string, id: string): string => {
  const [, before, upTo] = joinedIdPattern.exec(replica) ?? [];
  return before === undefined || upTo === undefined ? id : `${before}~${upTo}~${id}`;
};

/**
 * Returns the replica id for a write at a time. Changes from before the replica joined have the same writer in every
 * copy of the data.
 */
export const writerIdOf = (replica: string, time: number): string => {
  const [, before, upTo] = replica.includes('~') ? (joinedIdPattern.exec(replica) ?? []) : [];
  return before === undefined || upTo === undefined || time > parseInt(upTo, 36) ? replica : writerIdOf(before, time);
};

/** Returns the stamp of an operation: the changeset's instant, with a count increased by the operation's index. */
export const operationStampOf = ({ time, count }: Instant, replica: string, index: number): Stamp => ({
  time,
  count: count + index,
  replica: writerIdOf(replica, time),
});

/** Returns the instant of the writer's clock after a changeset of this many operations. */
export const lastInstantOf = ({ time, count }: Instant, operations: number): Instant => ({
  time,
  count: count + Math.max(0, operations - 1),
});
