import { compareValues, type Value } from '../model/value.js';
import { isLater, type Stamp, wins } from './stamp.js';
import { ownMap, type Working } from './working.js';

/** What was last said of one key of a set or dictionary: its value, or that it is gone. */
export interface Entry {
  readonly value: Value;
  readonly gone: boolean;
  readonly stamp: Stamp;
}

/** A set or dictionary: of each key the latest word counts. An element of a set is its own value, under a key made of it. */
export type Entries = ReadonlyMap<string, Entry>;

export const noEntries: Entries = new Map();

/** Of two that have one stamp: that it is gone counts, or else the greater value. */
const compareEntries = (a: Entry, b: Entry): number =>
  Number(a.gone) - Number(b.gone) || compareValues(a.value, b.value);

/** Some keys with their values, or `undefined` for those that go; `null`: that changes nothing. Changes `before` itself if `work` has made it. */
export const entriesWith = (
  before: Entries,
  changes: Iterable<readonly [key: string, value: Value | undefined]>,
  stamp: Stamp,
  work: Working | null,
): Entries | null => {
  let after: Map<string, Entry> | undefined;
  for (const [key, value] of changes) {
    const known = (after ?? before).get(key);
    const entry: Entry = { value: value ?? null, gone: value === undefined, stamp };
    if (known && !wins(stamp, known.stamp, () => compareEntries(entry, known))) continue;
    after ??= ownMap(before, work);
    after.set(key, entry);
  }
  return after ?? null;
};

/** What they still need when nothing that is stamped so comes any more: keys that are gone are forgotten. */
export const entriesWithout = (before: Entries, isPast: (stamp: Stamp) => boolean): Entries => {
  const after = new Map([...before].filter(([, { gone, stamp }]) => !gone || !isPast(stamp)));
  return after.size === before.size ? before : after;
};

/** What is left when all that was said up to a stamp has never been. */
export const entriesAfter = (before: Entries, floor: Stamp): Entries =>
  new Map([...before].filter(([, { stamp }]) => isLater(stamp, floor)));
