import { lastIncrement } from '../merge/counter.js';
import { isSameElement, type ElementId } from '../merge/element.js';
import type { ObjectState } from '../merge/object.js';
import { isWrite, type Operation } from '../merge/operation.js';
import { partIn } from '../merge/part.js';
import { compareStamps, type Stamp, stampAt, writerAt } from '../merge/stamp.js';
import type { Instant } from '../model/changeset.js';
import { SchemaError } from '../model/errors.js';
import type { Shapes } from '../model/schema.js';
import { misfitOperation } from '../merge/fit.js';
import type { KeptRefusal } from './refusals.js';
import type { Sheet } from './sheet.js';
import { refuseSetAside } from './values.js';

type Names = (id: ElementId) => ElementId;

/** What names elements of the changeset itself names them by the stamps that they get now: the n-th operation stays the n-th. */
const namesFor = ({ changeset, replica, operations }: KeptRefusal, now: Instant, writer: string): Names => {
  const { time, count } = changeset;
  return (id) => {
    const isOwn =
      id.replica === writerAt(replica, time) &&
      id.time === time &&
      id.count >= count &&
      id.count < count + operations.length;
    return isOwn ? { ...stampAt(now, writer, id.count - count), index: id.index } : id;
  };
};

const renamed = (operation: Operation, names: Names): Operation => {
  if (operation.kind === 'move' || operation.kind === 'replace') {
    return { ...operation, element: names(operation.element) };
  }
  return operation.kind === 'remove' ? { ...operation, elements: operation.elements.map(names) } : operation;
};

const isSameStamp = (a: Stamp, b: Stamp): boolean => compareStamps(a, b) === 0;

/** One operation as it has to be said now, on top of what stands. */
const anew = (sheet: Sheet, shapes: Shapes, operation: Operation): Operation => {
  const { type, key } = operation;
  const state = sheet.living(type, key);
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
    const { time, count, replica } = sheet.stamp();
    const isMade =
      state.born !== null && isSameStamp(state.born, { time, count: count - operation.defaultOf, replica });
    return isMade ? operation : { kind: 'update', type, key, values: {} };
  }
  if (isWrite(operation) || operation.kind !== 'increment') return operation;
  const born = state.born ?? operation.born;
  const { counter } = partIn(state.parts, operation.property);
  return { ...operation, born, after: lastIncrement(counter, born, sheet.replica) };
};

const isThere = ({ parts }: ObjectState, property: string, id: ElementId): boolean =>
  partIn(parts, property).list.elements.some((element) => isSameElement(element.id, id));

/** Throws for what cannot be done any more: it would come to nothing, or to what this app cannot read. What is to be removed may be gone. */
const checked = (sheet: Sheet, shapes: Shapes, operation: Operation): Operation => {
  const { type, key, kind } = operation;
  if (kind !== 'delete') refuseSetAside(sheet, type, key);
  const shape = shapes.get(type);
  const misfit = shape ? misfitOperation(shape, operation) : null;
  if (misfit !== null) {
    const expected = `what fits (${type}[${key}].${misfit.property} is not ${misfit.expected})`;
    throw new SchemaError({ type, key, expected, received: operation });
  }
  if (kind !== 'move' && kind !== 'replace') return operation;
  const { property, element } = operation;
  const state = sheet.living(type, key);
  if (state && isThere(state, property, element)) return operation;
  throw new SchemaError({ type, key, property, expected: 'an element that is there', received: undefined });
};

/** Does what a refused changeset did once more, on top of what stands now. Throws a `SchemaError` when what it changed is gone, or does not fit the schema any more. */
export const performAgain = (sheet: Sheet, shapes: Shapes, refusal: KeptRefusal, now: Instant): void => {
  const names = namesFor(refusal, now, sheet.replica);
  for (const operation of refusal.operations)
    sheet.perform(checked(sheet, shapes, renamed(anew(sheet, shapes, operation), names)));
};
