import type { Instant } from '../model/changeset.js';
import { findFirstIndex } from '../model/sorted-search.js';
import type { Counter } from './counter.js';
import { idTextOf } from './list-element.js';
import type { List } from './list.js';
import type { ObjectState } from './object-state.js';
import type { CollectionState, CollectionStates } from './collection-state.js';
import { isWriter, type Rebase, rebaseInstant, rebaseStamp } from './rebase.js';
import { compareInstants, type Stamp, writerIdOf } from './timestamp.js';

/** New stamps for a changeset of some operations. */
export interface StampShift {
  readonly from: Instant;
  readonly operations: number;
  readonly to: Instant;
}

/** Returns a rebase that shifts the instants of a replica. The shifts are sorted, and keep this order. */
export const createShiftRebase = (shifts: readonly StampShift[], replica: string): Rebase => ({
  from: replica,
  to: replica,
  toInstant: (instant) => {
    const shift = shifts[findFirstIndex(shifts, ({ from }) => compareInstants(from, instant) > 0) - 1];
    if (shift?.from.time !== instant.time) return null;
    const index = instant.count - shift.from.count;
    return index < shift.operations ? { time: shift.to.time, count: shift.to.count + index } : null;
  },
});

/**
 * Changes a stamp of one state. Equal stamp objects stay equal, because states group by object identity what was
 * written together.
 */
type Restamp = <T extends Stamp>(stamp: T) => T;

const createRestamp = (rebase: Rebase): Restamp => {
  const restamped = new Map<Stamp, Stamp>();
  return <T extends Stamp>(stamp: T): T => {
    const found = restamped.get(stamp) as T | undefined;
    if (found) return found;
    const result = rebaseStamp(stamp, rebase);
    restamped.set(stamp, result);
    return result;
  };
};

const restampList = ({ elements, earlyEdits, tombstones }: List, restamp: Restamp): List => ({
  elements: elements.map((element) => ({
    ...element,
    id: restamp(element.id),
    moved: element.moved && restamp(element.moved),
    replaced: element.replaced && restamp(element.replaced),
  })),
  earlyEdits: new Map(
    [...earlyEdits.values()].map((each) => {
      const id = restamp(each.id);
      const moved = each.moved && { ...each.moved, stamp: restamp(each.moved.stamp) };
      const replaced = each.replaced && { ...each.replaced, stamp: restamp(each.replaced.stamp) };
      return [idTextOf(id), { id, moved, replaced }];
    }),
  ),
  tombstones: new Map(
    [...tombstones.values()].map((given) => {
      const id = restamp(given);
      return [idTextOf(id), id];
    }),
  ),
});

/** Changes the instants of a chain: `upTo` of its last increment, and `after` of the one before its first. */
const restampCounter = (counter: Counter, rebase: Rebase, restamp: Restamp): Counter =>
  counter.map(({ born, chains }) => ({
    born: restamp(born),
    chains: chains.map((chain) => {
      if (!isWriter(chain.replica, rebase.from)) return chain;
      const upTo = rebaseInstant(chain.upTo, rebase);
      const after = chain.after && rebaseInstant(chain.after, rebase);
      const isMoved = upTo.time !== chain.upTo.time || upTo.count !== chain.upTo.count;
      return { ...chain, replica: isMoved ? writerIdOf(rebase.to, upTo.time) : chain.replica, after, upTo };
    }),
  }));

const restampCollection = (
  { clearedAt, list, entries, counter }: CollectionState,
  rebase: Rebase,
  restamp: Restamp,
): CollectionState => ({
  clearedAt: clearedAt && restamp(clearedAt),
  list: restampList(list, restamp),
  entries: new Map([...entries].map(([key, entry]) => [key, { ...entry, stamp: restamp(entry.stamp) }])),
  counter: restampCounter(counter, rebase, restamp),
});

const restampCollections = (collections: CollectionStates, rebase: Rebase, restamp: Restamp): CollectionStates =>
  collections &&
  Object.fromEntries(
    Object.entries(collections).map(([name, collection]) => [name, restampCollection(collection, rebase, restamp)]),
  );

/**
 * Returns a state as if its operations always had the new stamps. Pure. Only for shifts that keep the order of all
 * operations of the state: decisions of the old order are not repeated.
 */
export const restampState = (state: ObjectState, rebase: Rebase): ObjectState => {
  const restamp = createRestamp(rebase);
  const { born, died, values, laterStamps, collections } = state;
  return {
    born: born && restamp(born),
    died: died && restamp(died),
    values,
    laterStamps:
      laterStamps && Object.fromEntries(Object.entries(laterStamps).map(([name, stamp]) => [name, restamp(stamp)])),
    collections: restampCollections(collections, rebase, restamp),
  };
};
