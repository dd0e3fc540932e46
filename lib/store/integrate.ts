import { applyOperation, type ObjectState } from '../merge/object.js';
import { decodeStoredOperations } from '../merge/body.js';
import type { Operation } from '../merge/operation.js';
import { createWorking } from '../merge/working.js';
import { isStampable, laterInstant, lastInstant, stampAt } from '../merge/stamp.js';
import type { Instant, ServerChangeset } from '../model/changeset.js';
import { UnreadableChangeError } from '../model/errors.js';
import { isLeft } from '../model/result.js';
import type { Key } from '../model/value.js';
import type { Version } from '../model/version.js';
import type { Objects, Touched } from './objects.js';

/** What a page comes to: the objects it changes, and the realm's clock after it. */
export interface Merged {
  /** Each with the last version that changed it. */
  readonly touched: readonly (Touched & { readonly version: Version })[];
  readonly instant: Instant;
}

const refuse = (version: number, text: string): never => {
  throw new UnreadableChangeError(version, text);
};

const read = ({ version, body }: ServerChangeset): readonly Operation[] => {
  const operations = decodeStoredOperations(body);
  return isLeft(operations) ? refuse(version, operations.left) : operations.right;
};

type Table = Map<Key, { readonly state: ObjectState; readonly version: Version }>;

/** Merges a page into the states that are there, whatever this app's schema says of them. Throws an `UnreadableChangeError` before anything has changed. */
export const merged = (objects: Objects, from: Instant, changesets: readonly ServerChangeset[]): Merged => {
  const changed = new Map<string, Table>();
  const work = createWorking();
  let instant = from;
  for (const changeset of changesets) {
    const operations = read(changeset);
    if (!isStampable(changeset, operations.length)) refuse(changeset.version, 'it is stamped with what is no time');
    operations.forEach((operation, index) => {
      const { type, key } = operation;
      let table = changed.get(type);
      if (!table) changed.set(type, (table = new Map() as Table));
      const before = table.get(key)?.state ?? objects.latest(type, key);
      const after = applyOperation(before, operation, stampAt(changeset, changeset.origin, index), work);
      if (after !== before) table.set(key, { state: after, version: changeset.version });
    });
    instant = laterInstant(instant, lastInstant(changeset, operations.length));
  }
  const touched: (Touched & { readonly version: Version })[] = [];
  for (const [type, table] of changed) for (const [key, after] of table) touched.push({ type, key, ...after });
  return { touched, instant };
};
