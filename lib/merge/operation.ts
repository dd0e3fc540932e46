import type { Key, Value, Values } from '../model/value.js';
import type { Increment } from './counter.js';
import type { ElementId } from './list-element.js';
import type { ListPosition } from './list-position.js';

interface OperationTarget {
  readonly type: string;
  readonly key: Key;
}

/**
 * New values for some properties. A create carries every property of its schema that is one value, so that it begins
 * with fresh ones.
 */
export interface Write extends OperationTarget {
  readonly kind: 'create' | 'update';
  readonly values: Values;
}

export interface Delete extends OperationTarget {
  readonly kind: 'delete';
}

interface CollectionTarget extends OperationTarget {
  readonly property: string;
}

/** Brings elements into a list, each with a key in one run (see `Place`). */
export interface Insert extends CollectionTarget {
  readonly kind: 'insert';
  readonly run: readonly string[];
  readonly keys: readonly string[];
  readonly values: readonly Value[];
  /**
   * The indexes of the elements, rising, when some of those that were inserted together are not among them; absent: 0,
   * 1, 2 …
   */
  readonly indexes?: readonly number[];
  /**
   * Counts since the create that begins the list with them because the app gave no list: a later create takes them
   * away.
   */
  readonly defaultOf?: number;
}

/** Gives an element of a list another place. */
export interface Move extends CollectionTarget {
  readonly kind: 'move';
  readonly element: ElementId;
  readonly place: ListPosition;
}

/** Gives an element of a list another value. */
export interface Replace extends CollectionTarget {
  readonly kind: 'replace';
  readonly element: ElementId;
  readonly value: Value;
}

/** Takes elements out of a list, for good. */
export interface Remove extends CollectionTarget {
  readonly kind: 'remove';
  readonly elements: readonly ElementId[];
}

/** Puts entries into a dictionary, or elements into a set, each under a key made of it. */
export interface PutEntries extends CollectionTarget {
  readonly kind: 'put';
  readonly entries: readonly (readonly [key: string, value: Value])[];
}

/** Takes entries out of a dictionary, or elements out of a set. */
export interface DropEntries extends CollectionTarget {
  readonly kind: 'drop';
  readonly keys: readonly string[];
}

/** Empties a list, set or dictionary: of what was put in before. */
export interface Clear extends CollectionTarget {
  readonly kind: 'clear';
}

/** Adds to a counter. */
export interface IncrementCounter extends CollectionTarget, Increment {
  readonly kind: 'increment';
}

/** What changes a list, set, dictionary or counter. */
export type CollectionOperation =
  Insert | Move | Replace | Remove | PutEntries | DropEntries | Clear | IncrementCounter;

/** One thing that a transaction did to one object. */
export type Operation = Write | Delete | CollectionOperation;

export const isWrite = (operation: Operation): operation is Write =>
  operation.kind === 'create' || operation.kind === 'update';
