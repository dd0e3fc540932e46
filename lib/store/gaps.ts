import { compareIds, type Element } from '../merge/element.js';
import { lastLeft } from '../merge/list.js';
import { comparePlaces, insertingAs, type Inserting, placesBetween } from '../merge/place.js';
import type { Stamp } from '../merge/stamp.js';
import { SchemaError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Site } from './site.js';

/** Neighbours of what is put into a list. */
export interface Gap {
  readonly left: Element | undefined;
  readonly right: Element | undefined;
}

/** The elements beside an index, but for one that is to move there: the right one is behind the left one, for what was moved may share its place. */
const gapAt = (elements: readonly Element[], index: number, moving = -1): Gap => {
  const leftAt = index - 1 === moving ? index - 2 : index - 1;
  const left = elements[leftAt];
  let at = index;
  for (; at < elements.length; at += 1) {
    const right = elements[at];
    if (at !== moving && right && (!left || comparePlaces(left.place, right.place) < 0)) break;
  }
  return { left, right: elements[at] };
};

/**
 * What was taken out of one of his runs, or moved out of it, has left its key, and somebody else's insert beside that may still come: it
 * must not land in the middle of what he inserts now. So he goes on only behind what he inserted later than all of that, and never in a
 * run to which elements were moved.
 */
export const insertingAt = ({ replica, stamp, part, work }: Site, { left, right }: Gap): Inserting => {
  const last = lastLeft(part().list, replica, work);
  if (last === null) return insertingAs(replica);
  return {
    replica,
    runName: runNameOf(replica, stamp()),
    goesOn: (place) => {
      const neighbour = place === left?.place ? left : right;
      return neighbour?.moved === null && compareIds(neighbour.id, last) > 0 && !place.run.at(-1)?.endsWith(movedTo);
    },
  };
};

export const runNameOf = (replica: string, { time, count }: Stamp): string =>
  `${replica}.${time.toString(36)}.${count.toString(36)}`;

/** How the name of a run ends to which elements were moved, among others. */
export const movedTo = '.m';

export const placesIn = (site: Site, { left, right }: Gap, inserting: Inserting, count: number) => {
  const { run, keys } = placesBetween(left?.place ?? null, right?.place ?? null, inserting, count);
  if (!keys.some((each) => each.length > limits.placeCharsMax)) return { run, keys };
  const { type, key, property } = site;
  const expected = 'a place with room for more: clear the list and fill it again';
  throw new SchemaError({ type, key, property: property.name, expected, received: count });
};

export const placesAt = (site: Site, elements: readonly Element[], index: number, count: number, moving = -1) => {
  const gap = gapAt(elements, index, moving);
  return placesIn(site, gap, insertingAt(site, gap), count);
};
