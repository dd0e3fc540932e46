import type { Value } from '../model/value.js';
import { isLater, type Stamp } from './stamp.js';

/** What was last said of one key of a set or dictionary: its value, or that it is gone. */
export interface Entry {
  readonly value: Value;
  readonly gone: boolean;
  readonly stamp: Stamp;
}

/** A set or dictionary: of each key the latest word counts. An element of a set is its own value, under a key made of it. Never changed in place. */
export type Entries = ReadonlyMap<string, Entry>;

export const noEntries: Entries = new Map();

/** Some keys with their values, or `undefined` for those that go. */
export const entriesWith = (
  before: Entries,
  changes: Iterable<readonly [key: string, value: Value | undefined]>,
  stamp: Stamp,
): Entries => {
  let after: Map<string, Entry> | undefined;
  for (const [key, value] of changes) {
    if (!isLater(stamp, before.get(key)?.stamp ?? null)) continue;
    after ??= new Map(before);
    after.set(key, { value: value ?? null, gone: value === undefined, stamp });
  }
  return after ?? before;
};

/** What is left when all that was said up to a stamp has never been. */
export const entriesAfter = (before: Entries, floor: Stamp): Entries =>
  new Map([...before].filter(([, { stamp }]) => isLater(stamp, floor)));
