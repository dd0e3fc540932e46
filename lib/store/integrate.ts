import { applyOperation, type ObjectState } from '../merge/object.js';
import { decodeOperations, type Operation } from '../merge/operation.js';
import { isStampable, laterInstant, lastInstant, stampAt } from '../merge/stamp.js';
import type { Instant, ServerChangeset } from '../model/changeset.js';
import { UnreadableChangeError } from '../model/errors.js';
import { expectationOf, fits } from '../model/kinds.js';
import { isLeft } from '../model/result.js';
import type { Shapes, TypeShape } from '../model/schema.js';
import type { Key } from '../model/value.js';
import type { Objects, Touched } from './objects.js';

/** What a page comes to: the objects it changes, and the realm's clock after it. */
export interface Merged {
  readonly touched: readonly Touched[];
  readonly instant: Instant;
}

const refuse = (version: number, text: string): never => {
  throw new UnreadableChangeError(version, text);
};

/** What this app's schema knows must fit; what it does not know is kept for the apps that do. */
const checkFits = (shape: TypeShape, version: number, operation: Operation): void => {
  const { type, key } = operation;
  if (!fits(shape.primaryKey.kind, key))
    refuse(version, `${type}: the primary key is not ${expectationOf(shape.primaryKey)}`);
  if (operation.kind === 'delete') return;
  for (const name in operation.values) {
    const property = shape.properties.get(name);
    if (property === undefined) continue;
    const value = operation.values[name];
    if (value === undefined || (value === null ? property.optional : fits(property.kind, value))) continue;
    refuse(version, `${type}[${String(key)}].${name} is not ${expectationOf(property)}`);
  }
};

const read = (shapes: Shapes, { version, body }: ServerChangeset): readonly Operation[] => {
  const operations = decodeOperations(body);
  if (isLeft(operations)) return refuse(version, operations.left);
  for (const operation of operations.right) {
    const shape = shapes.get(operation.type);
    if (shape) checkFits(shape, version, operation);
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
