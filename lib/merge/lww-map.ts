import { compareValues, type Value } from '../model/value.js';
import { isLater, type Stamp, wins } from './timestamp.js';
import { mutableMapOf, type BatchOwnership } from './batch-ownership.js';

/** What was last said of one key of a set or dictionary: its value, or that it is gone. */
export interface LwwEntry {
  readonly value: Value;
  readonly isRemoved: boolean;
  readonly stamp: Stamp;
}

/**
 * A set or dictionary: of each key the latest word counts. An element of a set is its own value, under a key made of
 * it.
 */
export type LwwMap = ReadonlyMap<string, LwwEntry>;

export const emptyEntries: LwwMap = new Map();

/** Of two that have one stamp: that it is gone counts, or else the greater value. */
const compareEntries = (a: LwwEntry, b: LwwEntry): number =>
  Number(a.isRemoved) - Number(b.isRemoved) || compareValues(a.value, b.value);

/**
 * Some keys with their values, or `undefined` for those that go; `null`: that changes nothing. Changes `before` itself
 * if `work` has made it.
 */
export const applyEntries = (
  before: LwwMap,
  changes: Iterable<readonly [key: string, value: Value | undefined]>,
  stamp: Stamp,
  work: BatchOwnership | null,
): LwwMap | null => {
  let after: Map<string, LwwEntry> | undefined;
  for (const [key, value] of changes) {
    const known = (after ?? before).get(key);
    const entry: LwwEntry = { value: value ?? null, isRemoved: value === undefined, stamp };
    if (known && !wins(stamp, known.stamp, () => compareEntries(entry, known))) continue;
    after ??= mutableMapOf(before, work);
    after.set(key, entry);
  }
  return after ?? null;
};

/** What they still need when nothing that is stamped so comes any more: keys that are gone are forgotten. */
export const forgetEntryTombstones = (before: LwwMap, isPast: (stamp: Stamp) => boolean): LwwMap => {
  const after = new Map([...before].filter(([, { isRemoved, stamp }]) => !isRemoved || !isPast(stamp)));
  return after.size === before.size ? before : after;
};

/** What is left when all that was said up to a stamp has never been. */
export const keepEntriesAfter = (before: LwwMap, floor: Stamp): LwwMap =>
  new Map([...before].filter(([, { stamp }]) => isLater(stamp, floor)));
