import type { Instant } from '../model/changeset.js';
import type { ElementId } from './list-element.js';
import type { Operation } from './operation.js';
import { type Stamp, writerIdOf } from './timestamp.js';

/** New stamps for the operations of one replica: of another replica, at another instant, or both. */
export interface Rebase {
  /** The replica's id. Also applies to the replica for which it writes older changes: see `writerIdOf`. */
  readonly from: string;
  readonly to: string;
  /** Returns the new instant of an operation of `from`; `null`: it keeps its stamp. */
  readonly toInstant: (instant: Instant) => Instant | null;
}

/** Returns the new stamp; the same object when it does not change. */
export const rebaseStamp = <T extends Stamp>(stamp: T, { from, to, toInstant }: Rebase): T => {
  const instant = isWriter(stamp.replica, from) ? toInstant(stamp) : null;
  if (instant === null) return stamp;
  const { time, count } = instant;
  return { ...stamp, time, count, replica: writerIdOf(to, time) };
};

/** Whether `from` writes under the id of `replica`, now or for older changes. */
export const isWriter = (replica: string, from: string): boolean => replica === from || from.startsWith(`${replica}~`);

/** Returns the new instant of the replica's own instant. */
export const rebaseInstant = (instant: Instant, { toInstant }: Rebase): Instant => {
  const found = toInstant(instant);
  return found === null ? instant : { time: found.time, count: found.count };
};

/** Updates the ids of the elements that an operation names. Returns the same object when they do not change. */
export const renameElements = (operation: Operation, rename: (id: ElementId) => ElementId): Operation => {
  switch (operation.kind) {
    case 'move':
    case 'replace': {
      const element = rename(operation.element);
      return element === operation.element ? operation : { ...operation, element };
    }
    case 'remove': {
      const elements = operation.elements.map(rename);
      return elements.some((each, index) => each !== operation.elements[index])
        ? { ...operation, elements }
        : operation;
    }
    default:
      return operation;
  }
};

/**
 * Updates the stamps by which an operation refers to other operations. Returns the same object when they do not change.
 */
export const rebaseOperation = (operation: Operation, rebase: Rebase): Operation => {
  if (operation.kind !== 'increment') return renameElements(operation, (id) => rebaseStamp(id, rebase));
  const born = rebaseStamp(operation.born, rebase);
  const after = operation.after && rebaseInstant(operation.after, rebase);
  const isSame = born === operation.born && (after === null || after === operation.after);
  return isSame ? operation : { ...operation, born, after };
};
