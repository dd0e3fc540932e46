import type { Value } from '../model/value.js';
import type { ListPosition } from './list-position.js';
import { compareStamps, type Stamp } from './timestamp.js';

/** Identifies an element of a list permanently: the stamp of its insert, and its index among the inserted elements. */
export interface ElementId extends Stamp {
  readonly index: number;
}

/** An element of a list in its current position and with its current value. */
export interface ListElement {
  readonly id: ElementId;
  readonly position: ListPosition;
  /** The latest move; `null`: the element is where it was inserted. */
  readonly moved: Stamp | null;
  readonly value: Value;
  /** The latest replacement; `null`: the element has the inserted value. */
  readonly replaced: Stamp | null;
  /**
   * Counts from the create to the insert of a default element, which the create inserted because the app gave no list.
   * 0: other elements.
   */
  readonly defaultOf: number;
}

export const isSameElement = (a: ElementId, b: ElementId): boolean =>
  a.time === b.time && a.count === b.count && a.index === b.index && a.replica === b.replica;

/** Whether an element is a default of a create that is not the latest one. */
export const isOutdated = ({ time, count, replica }: Stamp, defaultOf: number, born: Stamp | null): boolean =>
  defaultOf > 0 && born !== null && compareStamps(born, { time, count: count - defaultOf, replica }) > 0;

export const compareElementIds = (a: ElementId, b: ElementId): number => compareStamps(a, b) || a.index - b.index;

/** Returns an id as the key of a map. */
export const idTextOf = ({ time, count, index, replica }: ElementId): string => `${time}.${count}.${index}.${replica}`;
