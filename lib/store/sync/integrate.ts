import { applyOperation, type ObjectState } from '../../merge/object-state.js';
import { decodeOperationsLeniently } from '../../merge/operation-codec.js';
import type { Operation } from '../../merge/operation.js';
import { createBatchOwnership } from '../../merge/batch-ownership.js';
import { isStampable, laterInstantOf, lastInstantOf, operationStampOf } from '../../merge/timestamp.js';
import type { Instant, ServerChangeset } from '../../model/changeset.js';
import { UnreadableChangeError } from '../../model/errors.js';
import { isLeft } from '../../model/result.js';
import type { Key } from '../../model/value.js';
import type { Version } from '../../model/version.js';
import type { Objects } from '../objects/objects.js';
import type { ObjectWithState } from '../objects/object-change.js';

/** The result of merging a page: the changed objects, and the realm's clock. */
export interface MergedPage {
  /** Each with the last version that changed it. */
  readonly changedObjects: readonly (ObjectWithState & { readonly version: Version })[];
  readonly instant: Instant;
}

const throwUnreadable = (version: number, text: string): never => {
  throw new UnreadableChangeError(version, text);
};

const decodeDownloaded = ({ version, body }: ServerChangeset): readonly Operation[] => {
  const operations = decodeOperationsLeniently(body);
  return isLeft(operations) ? throwUnreadable(version, operations.left) : operations.right;
};

type ChangedTable = Map<Key, { readonly state: ObjectState; readonly version: Version }>;

/**
 * Merges a page into the current states, whatever this app's schema. Throws an `UnreadableChangeError` before anything
 * has changed.
 */
export const mergePage = (objects: Objects, from: Instant, changesets: readonly ServerChangeset[]): MergedPage => {
  const changed = new Map<string, ChangedTable>();
  const work = createBatchOwnership();
  let instant = from;
  for (const changeset of changesets) {
    const operations = decodeDownloaded(changeset);
    if (!isStampable(changeset, operations.length)) throwUnreadable(changeset.version, 'its stamp is not a valid time');
    operations.forEach((operation, index) => {
      const { type, key } = operation;
      let table = changed.get(type);
      if (!table) changed.set(type, (table = new Map() as ChangedTable));
      const before = table.get(key)?.state ?? objects.latestState(type, key);
      const after = applyOperation(before, operation, operationStampOf(changeset, changeset.origin, index), work);
      if (after !== before) table.set(key, { state: after, version: changeset.version });
    });
    instant = laterInstantOf(instant, lastInstantOf(changeset, operations.length));
  }
  const touched: (ObjectWithState & { readonly version: Version })[] = [];
  for (const [type, table] of changed) for (const [key, after] of table) touched.push({ type, key, ...after });
  return { changedObjects: touched, instant };
};
