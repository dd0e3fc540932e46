import { compareElementIds, type ListElement } from '../../merge/list-element.js';
import { lastDisplacedOf } from '../../merge/list.js';
import {
  comparePositions,
  createInsertContext,
  type InsertContext,
  createPositionsBetween,
} from '../../merge/list-position.js';
import type { Stamp } from '../../merge/timestamp.js';
import { SchemaError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { EditTarget } from './edit-target.js';

/** The neighbours of elements that are inserted into a list. */
export interface InsertPosition {
  readonly left: ListElement | undefined;
  readonly right: ListElement | undefined;
}

/**
 * The elements beside an index, without the one that is to be moved there. Elements that were moved may share the
 * position of the left one, so they are skipped on the right.
 */
const insertPositionOf = (elements: readonly ListElement[], index: number, moving = -1): InsertPosition => {
  const leftAt = index - 1 === moving ? index - 2 : index - 1;
  const left = elements[leftAt];
  let at = index;
  for (; at < elements.length; at += 1) {
    const right = elements[at];
    if (at !== moving && right && (!left || comparePositions(left.position, right.position) < 0)) break;
  }
  return { left, right: elements[at] };
};

/**
 * Decides which runs an insert may continue. An element that was removed or moved has left its key in a run. A
 * concurrent insert of another device beside that key may still arrive, and must not land inside this insert. So this
 * replica continues a run only after elements that it inserted later than all of those, and never a run to which
 * elements were moved.
 */
export const createInserting = (
  { replica, nextStamp, part, ownership }: EditTarget,
  { left, right }: InsertPosition,
): InsertContext => {
  const last = lastDisplacedOf(part().list, replica, ownership);
  if (last === null) return createInsertContext(replica);
  return {
    replica,
    runName: runNameOf(replica, nextStamp()),
    canContinue: (position) => {
      const neighbour = position === left?.position ? left : right;
      return (
        neighbour?.moved === null &&
        compareElementIds(neighbour.id, last) > 0 &&
        !position.run.at(-1)?.endsWith(movedRunSuffix)
      );
    },
  };
};

export const runNameOf = (replica: string, { time, count }: Stamp): string =>
  `${replica}.${time.toString(36)}.${count.toString(36)}`;

/** Suffix of the names of runs that contain moved elements. */
export const movedRunSuffix = '.m';

export const createPositions = (
  target: EditTarget,
  { left, right }: InsertPosition,
  inserting: InsertContext,
  count: number,
) => {
  const { run, keys } = createPositionsBetween(left?.position ?? null, right?.position ?? null, inserting, count);
  if (!keys.some((each) => each.length > limits.positionKeyCharsMax)) return { run, keys };
  const { type, key, property } = target;
  throw new SchemaError({
    ...{ type, key, property: property.name, expected: 'a position with room for more elements', received: count },
    problem: `has no room for more elements at this position of "${property.name}"`,
    advice: 'Clear the list and fill it again.',
  });
};

export const createPositionsAt = (
  target: EditTarget,
  elements: readonly ListElement[],
  index: number,
  count: number,
  moving = -1,
) => {
  const gap = insertPositionOf(elements, index, moving);
  return createPositions(target, gap, createInserting(target, gap), count);
};
