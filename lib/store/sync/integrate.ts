import { applyOperation, type ObjectState } from '../../merge/object-state.js';
import { decodeOperationsLeniently, targetsOf } from '../../merge/operation-codec.js';
import type { Operation } from '../../merge/operation.js';
import { type BatchOwnership, createBatchOwnership } from '../../merge/batch-ownership.js';
import { isStampable, operationStampOf } from '../../merge/timestamp.js';
import type { Instant, ServerChangeset } from '../../model/changeset.js';
import { UnreadableChangeError } from '../../model/errors.js';
import { isLeft } from '../../model/result.js';
import type { Key } from '../../model/value.js';
import type { Version } from '../../model/version.js';
import type { Objects } from '../objects/objects.js';
import { NewRows } from '../objects/new-rows.js';
import type { ObjectWithState } from '../objects/object-change.js';

/** The result of merging a page: the changed objects, and the realm's clock. */
export interface MergedPage {
  /** Each with the last version that changed it. */
  readonly changedObjects: readonly (ObjectWithState & { readonly version: Version })[];
  /** The objects that the page creates and nothing else changes. */
  readonly newRows: NewRows;
  readonly instant: Instant;
}

const throwUnreadable = (version: number, text: string): never => {
  throw new UnreadableChangeError(version, text);
};

/** Decodes the operations of a changeset. Throws an `UnreadableChangeError`, also if they have no valid stamps. */
export const decodeDownloaded = (changeset: ServerChangeset): readonly Operation[] => {
  const { version, body } = changeset;
  const operations = decodeOperationsLeniently(body);
  if (isLeft(operations)) return throwUnreadable(version, operations.left);
  if (!isStampable(changeset, operations.right.length)) throwUnreadable(version, 'its stamp is not a valid time');
  return operations.right;
};

/** Some objects of one page. */
type PageObjects<T> = Map<string, Map<Key, T>>;

const setObject = <T>(objects: PageObjects<T>, type: string, key: Key, value: T): void => {
  const table = objects.get(type);
  if (table) table.set(key, value);
  else objects.set(type, new Map([[key, value]]));
};

/** Whether a body has one operation, which creates an object. Other bodies are decoded. */
const isOneCreate = ({ body }: ServerChangeset): boolean => body[0] === 0x91 && body[1] === 0x94 && body[2] === 1;

/**
 * Finds the objects that more than creates change, or returns `null`. So their creates are merged, too, instead of
 * being copied into a block that has to be moved soon.
 */
const findTouched = (changesets: readonly ServerChangeset[]): PageObjects<true> | null => {
  if (changesets.length === 1) return null;
  let touched: PageObjects<true> | null = null;
  for (const changeset of changesets) {
    if (isOneCreate(changeset)) continue;
    touched ??= new Map();
    for (const { type, key } of targetsOf(changeset.body)) setObject(touched, type, key, true);
  }
  return touched;
};

type Changed = PageObjects<{ readonly state: ObjectState; readonly version: Version }>;

const changedObjectsOf = (changed: Changed): MergedPage['changedObjects'] => {
  const all: (ObjectWithState & { readonly version: Version })[] = [];
  for (const [type, table] of changed) for (const [key, after] of table) all.push({ type, key, ...after });
  return all;
};

const mergeInto = (objects: Objects, from: Instant, changesets: readonly ServerChangeset[], newRows: NewRows) => {
  const changed: Changed = new Map();
  const touched = findTouched(changesets);
  const isTouched = (type: string, key: Key): boolean =>
    touched?.get(type)?.has(key) === true || changed.get(type)?.has(key) === true;
  let work: BatchOwnership | null = null;
  let { time, count } = from;
  for (let at = 0; at < changesets.length; at += 1) {
    const changeset = changesets[at] as unknown as ServerChangeset;
    let operations = 1;
    if (!isStampable(changeset, 1) || !newRows.add(at, isTouched)) {
      const decoded = decodeDownloaded(changeset);
      operations = decoded.length;
      work ??= createBatchOwnership();
      for (let index = 0; index < operations; index += 1) {
        const operation = decoded[index] as unknown as Operation;
        const { type, key } = operation;
        const before = changed.get(type)?.get(key)?.state ?? objects.latestState(type, key);
        const after = applyOperation(before, operation, operationStampOf(changeset, changeset.origin, index), work);
        if (after !== before) setObject(changed, type, key, { state: after, version: changeset.version });
      }
    }
    const lastCount = changeset.count + operations - 1;
    if (changeset.time > time || (changeset.time === time && lastCount > count)) {
      time = changeset.time;
      count = lastCount;
    }
  }
  return { changedObjects: changedObjectsOf(changed), instant: { time, count } };
};

/**
 * Merges a page into the current states, whatever this app's schema. Throws an `UnreadableChangeError` before anything
 * has changed.
 */
export const mergePage = (objects: Objects, from: Instant, changesets: readonly ServerChangeset[]): MergedPage => {
  const newRows = new NewRows(objects.pageParts, changesets);
  try {
    const merged = mergeInto(objects, from, changesets, newRows);
    newRows.finish();
    return { ...merged, newRows };
  } catch (thrown) {
    newRows.abandon();
    throw thrown;
  }
};
