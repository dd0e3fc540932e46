import type { Instant } from '../model/changeset.js';
import { isCount } from '../model/version.js';

/** When and by whom one operation was written: what decides between two writes of one property. */
export interface Stamp extends Instant {
  readonly replica: string;
}

export const compareInstants = (a: Instant, b: Instant): number => a.time - b.time || a.count - b.count;

/**
 * The order that every replica agrees on: time, then count, then the replica's id. 0 only for the very same operation.
 */
export const compareStamps = (a: Stamp, b: Stamp): number =>
  a === b ? 0 : compareInstants(a, b) || (a.replica < b.replica ? -1 : a.replica > b.replica ? 1 : 0);

/** Whether a stamp is later than another, or there is no other. */
export const isLater = (a: Stamp, b: Stamp | null): boolean => b === null || compareStamps(a, b) > 0;

/**
 * Whether what is stamped so replaces what is there. Two that have the very same stamp, which honest replicas never
 * write, are told apart by `tie`, so that their order of arrival does not matter.
 */
export const wins = (stamp: Stamp, before: Stamp | null, tie: () => number): boolean => {
  const order = before === null ? 1 : compareStamps(stamp, before);
  return order > 0 || (order === 0 && tie() > 0);
};

/** Far above what a device counts in a millisecond; far enough below 2^53 for the operations of any changeset. */
const countMax = 2 ** 52;

/**
 * The instant of the next write, by a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): the
 * device's time if it is ahead of everything seen, else a count after it. A clock that jumps back, or says nothing that
 * is a time, changes nothing. A count that nears the end of exact numbers, which no honest device reaches, goes over
 * into the time.
 */
export const nextInstantOf = (last: Instant, now: number): Instant => {
  const time = Math.floor(now);
  if (isCount(time) && time > last.time) return { time, count: 0 };
  return last.count < countMax ? { time: last.time, count: last.count + 1 } : { time: last.time + 1, count: 0 };
};

/**
 * Whether so many operations can be stamped from here on: all of it whole numbers, and exact, with room for as many
 * after it as any clock counts on. What came from others may not be.
 */
export const isStampable = ({ time, count }: Instant, operations: number): boolean =>
  isCount(time) && time < Number.MAX_SAFE_INTEGER && isCount(count) && count <= countMax && isCount(count + operations);

/** The later of two; the first when neither is. */
export const laterInstantOf = (a: Instant, b: Instant): Instant => (compareInstants(a, b) >= 0 ? a : b);

const joinedIdPattern = /^(.+)~([0-9a-z]{1,11})~[0-9A-Za-z]+$/;

/**
 * The id of a replica that brings what another one wrote without a server up to a time: that one's id, the time in base
 * 36, and what tells it from other copies of the same data, with `~` in between.
 */
export const createJoinedId = (replica: string, upTo: number, id: string): string =>
  `${replica}~${upTo.toString(36)}~${id}`;

/** The name of a replica that goes on for another one: it brings what that one brought, if it did. */
export const createSuccessorId = (replica: string, id: string): string => {
  const [, before, upTo] = joinedIdPattern.exec(replica) ?? [];
  return before === undefined || upTo === undefined ? id : `${before}~${upTo}~${id}`;
};

/**
 * The replica in whose name a replica writes at a time: what was written before it joined is the same in every copy of
 * it.
 */
export const writerIdOf = (replica: string, time: number): string => {
  const [, before, upTo] = replica.includes('~') ? (joinedIdPattern.exec(replica) ?? []) : [];
  return before === undefined || upTo === undefined || time > parseInt(upTo, 36) ? replica : writerIdOf(before, time);
};

/** Every operation of a changeset has a stamp of its own: the changeset's instant, counted on. */
export const operationStampOf = ({ time, count }: Instant, replica: string, index: number): Stamp => ({
  time,
  count: count + index,
  replica: writerIdOf(replica, time),
});

/** Where the writer's clock stands after a changeset of so many operations. */
export const lastInstantOf = ({ time, count }: Instant, operations: number): Instant => ({
  time,
  count: count + Math.max(0, operations - 1),
});
