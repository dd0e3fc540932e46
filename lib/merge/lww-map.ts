import { compareValues, type Value } from '../model/value.js';
import { isLater, type Stamp, wins } from './timestamp.js';
import { mutableMapOf, type BatchOwnership } from './batch-ownership.js';

/** The latest state of one key of a set or dictionary: its value, or that it was removed. */
export interface LwwEntry {
  readonly value: Value;
  readonly isRemoved: boolean;
  readonly stamp: Stamp;
}

/**
 * The entries of a set or dictionary. The latest change of each key counts. The element of a set is the value, and its
 * key is derived from it.
 */
export type LwwMap = ReadonlyMap<string, LwwEntry>;

export const emptyEntries: LwwMap = new Map();

/** Returns the entries that were not removed, as keys and values. */
export const liveEntriesOf = (entries: LwwMap): [key: string, value: Value][] => {
  const live: [string, Value][] = [];
  for (const [key, { value, isRemoved }] of entries) if (!isRemoved) live.push([key, value]);
  return live;
};

/** Returns the number of entries that were not removed. */
export const countLiveEntries = (entries: LwwMap): number => {
  let live = 0;
  for (const { isRemoved } of entries.values()) if (!isRemoved) live += 1;
  return live;
};

/** Compares two entries with the same stamp: a removed entry wins, otherwise the greater value. */
const compareEntries = (a: LwwEntry, b: LwwEntry): number =>
  Number(a.isRemoved) - Number(b.isRemoved) || compareValues(a.value, b.value);

/**
 * Applies new values, or `undefined` for removed keys; `null`: nothing changed. Changes `before` in place if the batch
 * created it.
 */
export const applyEntries = (
  before: LwwMap,
  changes: Iterable<readonly [key: string, value: Value | undefined]>,
  stamp: Stamp,
  batch: BatchOwnership | null,
): LwwMap | null => {
  let after: Map<string, LwwEntry> | undefined;
  for (const [key, value] of changes) {
    const existing = (after ?? before).get(key);
    const entry: LwwEntry = { value: value ?? null, isRemoved: value === undefined, stamp };
    if (existing && !wins(stamp, existing.stamp, () => compareEntries(entry, existing))) continue;
    after ??= mutableMapOf(before, batch);
    after.set(key, entry);
  }
  return after ?? null;
};

/** Joins two states: of each key, the latest change counts. Returns `a` itself when `b` has nothing more. */
export const joinEntries = (a: LwwMap, b: LwwMap): LwwMap => {
  let joined: Map<string, LwwEntry> | undefined;
  for (const [key, entry] of b) {
    const other = a.get(key);
    if (other && !wins(entry.stamp, other.stamp, () => compareEntries(entry, other))) continue;
    joined ??= new Map(a);
    joined.set(key, entry);
  }
  return joined ?? a;
};

/** Returns the entries without removed keys that no future operation can refer to. */
export const forgetEntryTombstones = (before: LwwMap, isPast: (stamp: Stamp) => boolean): LwwMap => {
  const after = new Map([...before].filter(([, { isRemoved, stamp }]) => !isRemoved || !isPast(stamp)));
  return after.size === before.size ? before : after;
};

/** Returns the entries that were changed after a stamp. */
export const keepEntriesAfter = (before: LwwMap, floor: Stamp): LwwMap =>
  new Map([...before].filter(([, { stamp }]) => isLater(stamp, floor)));
