import type { Instant } from '../model/changeset.js';
import type { ElementId } from './list-element.js';
import type { Operation } from './operation.js';
import { type Stamp, writerIdOf } from './timestamp.js';

/** Operations of one replica that get other stamps: of another replica, at another instant, or both. */
export interface Rebase {
  /** Its id. Also meant is whoever it writes for: see `writerAt`. */
  readonly from: string;
  readonly to: string;
  /** The instant that an operation of `from` gets; `null`: it keeps its stamp. */
  readonly toInstant: (instant: Instant) => Instant | null;
}

/** A stamp as it is after it; the very same one when that is no other. */
export const rebaseStamp = <T extends Stamp>(stamp: T, { from, to, toInstant }: Rebase): T => {
  const instant = isWriter(stamp.replica, from) ? toInstant(stamp) : null;
  if (instant === null) return stamp;
  const { time, count } = instant;
  return { ...stamp, time, count, replica: writerIdOf(to, time) };
};

/** Whether a replica is another one, or the one in whose name that one writes what is older. */
export const isWriter = (replica: string, from: string): boolean => replica === from || from.startsWith(`${replica}~`);

/** An instant of the replica's own. */
export const rebaseInstant = (instant: Instant, { toInstant }: Rebase): Instant => {
  const found = toInstant(instant);
  return found === null ? instant : { time: found.time, count: found.count };
};

/**
 * An operation that names others by their stamps, as it has to name them once they have others. The very same one when
 * it names none.
 */
export const rebaseOperation = (operation: Operation, rebase: Rebase): Operation => {
  const element = (id: ElementId): ElementId => rebaseStamp(id, rebase);
  switch (operation.kind) {
    case 'move':
    case 'replace': {
      const named = element(operation.element);
      return named === operation.element ? operation : { ...operation, element: named };
    }
    case 'remove': {
      const elements = operation.elements.map(element);
      return elements.some((each, index) => each !== operation.elements[index])
        ? { ...operation, elements }
        : operation;
    }
    case 'increment': {
      const born = rebaseStamp(operation.born, rebase);
      const after = operation.after && rebaseInstant(operation.after, rebase);
      const isSame = born === operation.born && (after === null || after === operation.after);
      return isSame ? operation : { ...operation, born, after };
    }
    default:
      return operation;
  }
};
