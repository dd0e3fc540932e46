import type { Value } from '../model/value.js';
import type { ListPosition } from './list-position.js';
import { compareStamps, type Stamp } from './timestamp.js';

/** Names an element of a list for ever: the stamp of the operation that inserted it, and which of its values it was. */
export interface ElementId extends Stamp {
  readonly index: number;
}

/** An element of a list, wherever it is by now, and whatever it has become. */
export interface ListElement {
  readonly id: ElementId;
  readonly position: ListPosition;
  /** When it was moved last; `null`: it is where it was inserted. */
  readonly moved: Stamp | null;
  readonly value: Value;
  /** When it was replaced last; `null`: it is what was inserted. */
  readonly replaced: Stamp | null;
  /**
   * Counts from the create that began the list with it, because the app gave no list, to its insert; 0: it came
   * otherwise.
   */
  readonly defaultOf: number;
}

export const isSameElement = (a: ElementId, b: ElementId): boolean =>
  a.time === b.time && a.count === b.count && a.index === b.index && a.replica === b.replica;

/** Whether a create began a list with an element, and a later one is known. */
export const isOutdated = ({ time, count, replica }: Stamp, defaultOf: number, born: Stamp | null): boolean =>
  defaultOf > 0 && born !== null && compareStamps(born, { time, count: count - defaultOf, replica }) > 0;

export const compareElementIds = (a: ElementId, b: ElementId): number => compareStamps(a, b) || a.index - b.index;

/** An id as the key of a map. */
export const idTextOf = ({ time, count, index, replica }: ElementId): string => `${time}.${count}.${index}.${replica}`;
