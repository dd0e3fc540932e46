import { applyOperation, type ObjectState } from '../merge/object.js';
import { decodeOperations } from '../merge/body.js';
import type { Operation } from '../merge/operation.js';
import { isStampable, laterInstant, lastInstant, stampAt } from '../merge/stamp.js';
import type { Instant, ServerChangeset } from '../model/changeset.js';
import { UnreadableChangeError } from '../model/errors.js';
import { isLeft } from '../model/result.js';
import type { Shapes } from '../model/schema.js';
import type { Key } from '../model/value.js';
import { misfitOperation } from './fit.js';
import type { Objects, Touched } from './objects.js';

/** What a page comes to: the objects it changes, and the realm's clock after it. */
export interface Merged {
  readonly touched: readonly Touched[];
  readonly instant: Instant;
}

const refuse = (version: number, text: string): never => {
  throw new UnreadableChangeError(version, text);
};

const read = (shapes: Shapes, { version, body }: ServerChangeset): readonly Operation[] => {
  const operations = decodeOperations(body);
  if (isLeft(operations)) return refuse(version, operations.left);
  for (const operation of operations.right) {
    const shape = shapes.get(operation.type);
    const misfit = shape ? misfitOperation(shape, operation) : null;
    if (misfit !== null) refuse(version, misfit);
  }
  return operations.right;
};

/** Merges a page into the states that are there. Throws an `UnreadableChangeError` before anything has changed. */
export const merged = (
  shapes: Shapes,
  objects: Objects,
  from: Instant,
  changesets: readonly ServerChangeset[],
): Merged => {
  const changed = new Map<string, Map<Key, ObjectState>>();
  let instant = from;
  for (const changeset of changesets) {
    const operations = read(shapes, changeset);
    if (!isStampable(changeset, operations.length)) refuse(changeset.version, 'it is stamped with what is no time');
    operations.forEach((operation, index) => {
      const { type, key } = operation;
      let table = changed.get(type);
      if (!table) changed.set(type, (table = new Map<Key, ObjectState>()));
      const before = table.get(key) ?? objects.latest(type, key);
      const after = applyOperation(before, operation, stampAt(changeset, changeset.origin, index));
      if (after !== before) table.set(key, after);
    });
    instant = laterInstant(instant, lastInstant(changeset, operations.length));
  }
  const touched: Touched[] = [];
  for (const [type, table] of changed) for (const [key, state] of table) touched.push({ type, key, state });
  return { touched, instant };
};
