import { isSameElement, type ElementId } from '../../merge/list-element.js';
import type { ObjectState } from '../../merge/object-state.js';
import { isWrite, type Operation } from '../../merge/operation.js';
import { renameElements } from '../../merge/rebase.js';
import { collectionStateOf } from '../../merge/collection-state.js';
import { compareStamps, type Stamp, operationStampOf, writerIdOf } from '../../merge/timestamp.js';
import type { Instant } from '../../model/changeset.js';
import { SchemaError } from '../../model/errors.js';
import type { Shapes } from '../../model/schema.js';
import { findOperationMismatch } from '../../merge/check-schema-fit.js';
import type { KeptRejection } from './rejected-list.js';
import type { Overlay } from '../transaction/overlay.js';
import { checkNotSetAside, createMissingObjectError } from '../objects/check-input.js';

type RenameElement = (id: ElementId) => ElementId;

/** Operations that were stamped again: the n-th operation stays the n-th. */
export interface Restamped {
  /** The replica that wrote them, and its stamp of the first one. */
  readonly replica: string;
  readonly time: number;
  readonly count: number;
  readonly operations: { readonly length: number };
  /** The new stamp of the first one. */
  readonly now: Instant;
}

/** Maps ids of elements that these operations inserted to their new stamps by `writer`. */
export const createRenames =
  (all: readonly Restamped[], writer: string): RenameElement =>
  (id) => {
    const found = all.find(
      ({ replica, time, count, operations }) =>
        id.time === time &&
        id.count >= count &&
        id.count < count + operations.length &&
        id.replica === writerIdOf(replica, time),
    );
    return found ? { ...operationStampOf(found.now, writer, id.count - found.count), index: id.index } : id;
  };

const isSameStamp = (a: Stamp, b: Stamp): boolean => compareStamps(a, b) === 0;

/** Adapts an operation to the current state. */
const adaptOperation = (overlay: Overlay, shapes: Shapes, operation: Operation): Operation => {
  const { type, key } = operation;
  const state = overlay.visibleState(type, key);
  if (operation.kind === 'delete') return operation;
  if (operation.kind === 'create') {
    if (!state) return operation;
    // Another device has created the object since: the values are written to that object.
    const primaryKey = shapes.get(type)?.primaryKey.name;
    const values = Object.fromEntries(Object.entries(operation.values).filter(([name]) => name !== primaryKey));
    return { ...operation, kind: 'update', values };
  }
  if (!state) throw createMissingObjectError(type, key);
  if (operation.kind === 'insert' && operation.defaultOf !== undefined) {
    // Skips the default elements of an object that another device has created since: that object has its own.
    const { time, count, replica } = overlay.nextStamp();
    const isCreatedHere =
      state.born !== null && isSameStamp(state.born, { time, count: count - operation.defaultOf, replica });
    return isCreatedHere ? operation : { kind: 'update', type, key, values: {} };
  }
  if (isWrite(operation) || operation.kind !== 'increment') return operation;
  const born = state.born ?? operation.born;
  const { counter } = collectionStateOf(state.collections, operation.property);
  return { ...operation, born, after: overlay.previousIncrement(counter, born) };
};

const hasElement = ({ collections }: ObjectState, property: string, id: ElementId): boolean =>
  collectionStateOf(collections, property).list.elements.some((element) => isSameElement(element.id, id));

/**
 * Throws a `SchemaError` for an operation that has become impossible: it would have no effect, or its result would not
 * fit the schema. Removing elements that are gone is allowed.
 */
const checkOperation = (overlay: Overlay, shapes: Shapes, operation: Operation): Operation => {
  const { type, key, kind } = operation;
  if (kind !== 'delete') checkNotSetAside(overlay, type, key);
  const shape = shapes.get(type);
  const misfit = shape ? findOperationMismatch(shape, operation) : null;
  if (misfit !== null) {
    throw new SchemaError({ type, key, ...misfit, received: misfit.stored });
  }
  if (kind !== 'move' && kind !== 'replace') return operation;
  const { property, element } = operation;
  const state = overlay.visibleState(type, key);
  if (state && hasElement(state, property, element)) return operation;
  throw new SchemaError({
    ...{ type, key, property, expected: 'an existing element', received: undefined },
    problem: `no longer has this element in "${property}"`,
  });
};

/**
 * Performs operations again, on the current state. Throws a `SchemaError` when the changed objects no longer exist or
 * do not fit the schema.
 */
export const redoOperations = (
  overlay: Overlay,
  shapes: Shapes,
  operations: readonly Operation[],
  rename: RenameElement,
): void => {
  for (const operation of operations)
    overlay.perform(
      checkOperation(overlay, shapes, renameElements(adaptOperation(overlay, shapes, operation), rename)),
    );
};

/** Performs the operations of a rejected changeset again: see `redoOperations`. */
export const redoRejected = (
  overlay: Overlay,
  shapes: Shapes,
  { changeset: { time, count }, replica, operations }: KeptRejection,
  now: Instant,
): void =>
  redoOperations(
    overlay,
    shapes,
    operations,
    createRenames([{ replica, time, count, operations, now }], overlay.replica),
  );
