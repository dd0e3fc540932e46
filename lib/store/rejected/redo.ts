import { isSameElement, type ElementId } from '../../merge/list-element.js';
import type { ObjectState } from '../../merge/object-state.js';
import { isWrite, type Operation } from '../../merge/operation.js';
import { collectionStateOf } from '../../merge/collection-state.js';
import { compareStamps, type Stamp, operationStampOf, writerIdOf } from '../../merge/timestamp.js';
import type { Instant } from '../../model/changeset.js';
import { SchemaError } from '../../model/errors.js';
import type { Shapes } from '../../model/schema.js';
import { findOperationMismatch } from '../../merge/check-schema-fit.js';
import type { KeptRejection } from './rejected-list.js';
import type { Overlay } from '../transaction/overlay.js';
import { checkNotSetAside } from '../objects/check-input.js';

type RenameElement = (id: ElementId) => ElementId;

/**
 * What names elements of the changeset itself names them by the stamps that they get now: the n-th operation stays the
 * n-th.
 */
const createRenames = (
  { changeset, replica, operations }: KeptRejection,
  now: Instant,
  writer: string,
): RenameElement => {
  const { time, count } = changeset;
  return (id) => {
    const isOwn =
      id.replica === writerIdOf(replica, time) &&
      id.time === time &&
      id.count >= count &&
      id.count < count + operations.length;
    return isOwn ? { ...operationStampOf(now, writer, id.count - count), index: id.index } : id;
  };
};

const renameElements = (operation: Operation, names: RenameElement): Operation => {
  if (operation.kind === 'move' || operation.kind === 'replace') {
    return { ...operation, element: names(operation.element) };
  }
  return operation.kind === 'remove' ? { ...operation, elements: operation.elements.map(names) } : operation;
};

const isSameStamp = (a: Stamp, b: Stamp): boolean => compareStamps(a, b) === 0;

/** One operation as it has to be said now, on top of what stands. */
const adaptOperation = (overlay: Overlay, shapes: Shapes, operation: Operation): Operation => {
  const { type, key } = operation;
  const state = overlay.visibleState(type, key);
  if (operation.kind === 'delete') return operation;
  if (operation.kind === 'create') {
    if (!state) return operation;
    // It was made by somebody else meanwhile: what was to be in it is written to it.
    const primaryKey = shapes.get(type)?.primaryKey.name;
    const values = Object.fromEntries(Object.entries(operation.values).filter(([name]) => name !== primaryKey));
    return { ...operation, kind: 'update', values };
  }
  if (!state) throw new SchemaError({ type, key, expected: 'an object that is there', received: undefined });
  if (operation.kind === 'insert' && operation.defaultOf !== undefined) {
    // What it was to begin with is left out when it was made by somebody else: that object has begun.
    const { time, count, replica } = overlay.nextStamp();
    const isMade =
      state.born !== null && isSameStamp(state.born, { time, count: count - operation.defaultOf, replica });
    return isMade ? operation : { kind: 'update', type, key, values: {} };
  }
  if (isWrite(operation) || operation.kind !== 'increment') return operation;
  const born = state.born ?? operation.born;
  const { counter } = collectionStateOf(state.collections, operation.property);
  return { ...operation, born, after: overlay.previousIncrement(counter, born) };
};

const hasElement = ({ collections }: ObjectState, property: string, id: ElementId): boolean =>
  collectionStateOf(collections, property).list.elements.some((element) => isSameElement(element.id, id));

/**
 * Throws for what cannot be done any more: it would come to nothing, or to what this app cannot read. What is to be
 * removed may be gone.
 */
const checkOperation = (overlay: Overlay, shapes: Shapes, operation: Operation): Operation => {
  const { type, key, kind } = operation;
  if (kind !== 'delete') checkNotSetAside(overlay, type, key);
  const shape = shapes.get(type);
  const misfit = shape ? findOperationMismatch(shape, operation) : null;
  if (misfit !== null) {
    const expected = `what fits (${type}[${key}].${misfit.property} is not ${misfit.expected})`;
    throw new SchemaError({ type, key, expected, received: operation });
  }
  if (kind !== 'move' && kind !== 'replace') return operation;
  const { property, element } = operation;
  const state = overlay.visibleState(type, key);
  if (state && hasElement(state, property, element)) return operation;
  throw new SchemaError({ type, key, property, expected: 'an element that is there', received: undefined });
};

/**
 * Does what a refused changeset did once more, on top of what stands now. Throws a `SchemaError` when what it changed
 * is gone, or does not fit the schema any more.
 */
export const redoRejected = (overlay: Overlay, shapes: Shapes, refusal: KeptRejection, now: Instant): void => {
  const names = createRenames(refusal, now, overlay.replica);
  for (const operation of refusal.operations)
    overlay.perform(checkOperation(overlay, shapes, renameElements(adaptOperation(overlay, shapes, operation), names)));
};
