import type { Key, Value, Values } from '../model/value.js';
import type { Increment } from './counter.js';
import type { ElementId } from './list-element.js';
import type { ListPosition } from './list-position.js';

interface OperationTarget {
  readonly type: string;
  readonly key: Key;
}

/**
 * Writes some properties. A create writes every property of its schema that is one value, so that the object begins
 * with fresh values.
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

/** Inserts elements into a list, each with a key in one run (see `ListPosition`). */
export interface Insert extends CollectionTarget {
  readonly kind: 'insert';
  readonly run: readonly string[];
  readonly keys: readonly string[];
  readonly values: readonly Value[];
  /**
   * The increasing indexes of the elements, when some of those that were inserted together are missing. Absent: 0, 1, 2
   * …
   */
  readonly indexes?: readonly number[];
  /** Counts since the create that inserted the elements because the app gave no list. A later create removes them. */
  readonly defaultOf?: number;
}

/** Moves an element of a list. */
export interface Move extends CollectionTarget {
  readonly kind: 'move';
  readonly element: ElementId;
  readonly position: ListPosition;
}

/** Replaces the value of a list element. */
export interface Replace extends CollectionTarget {
  readonly kind: 'replace';
  readonly element: ElementId;
  readonly value: Value;
}

/** Removes elements from a list permanently. */
export interface Remove extends CollectionTarget {
  readonly kind: 'remove';
  readonly elements: readonly ElementId[];
}

/** Puts entries into a dictionary, or elements into a set under keys derived from them. */
export interface PutEntries extends CollectionTarget {
  readonly kind: 'put';
  readonly entries: readonly (readonly [key: string, value: Value])[];
}

/** Removes entries from a dictionary, or elements from a set. */
export interface DropEntries extends CollectionTarget {
  readonly kind: 'drop';
  readonly keys: readonly string[];
}

/** Empties a list, set or dictionary of everything inserted before. */
export interface Clear extends CollectionTarget {
  readonly kind: 'clear';
}

/** Adds to a counter. */
export interface IncrementCounter extends CollectionTarget, Increment {
  readonly kind: 'increment';
}

/** An operation on a list, set, dictionary or counter. */
export type CollectionOperation =
  Insert | Move | Replace | Remove | PutEntries | DropEntries | Clear | IncrementCounter;

/** One change of one object in a transaction. */
export type Operation = Write | Delete | CollectionOperation;

export const isWrite = (operation: Operation): operation is Write =>
  operation.kind === 'create' || operation.kind === 'update';
