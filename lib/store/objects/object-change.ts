import type { ObjectState } from '../../merge/object-state.js';
import type { Key } from '../../model/value.js';
import type { View } from './object-view.js';

/**
 * The keys of the objects of one type that a batch has inserted, modified or deleted.
 *
 * @example
 * ```ts
 * realm.changes$('Task').subscribe(({ inserted, deleted }) => {
 *   console.log(`${inserted.size} new tasks, ${deleted.size} deleted tasks`);
 * });
 * ```
 */
export interface TypeChanges {
  /** Keys of objects that did not exist before the batch. */
  readonly inserted: ReadonlySet<Key>;
  /** Keys of existing objects that the batch changed. */
  readonly modified: ReadonlySet<Key>;
  /** Keys of objects that do not exist after the batch. */
  readonly deleted: ReadonlySet<Key>;
  /**
   * Keys of those of the deleted objects that were removed from this device only, because they do not match its
   * subscriptions any more. Empty in a realm without subscriptions.
   */
  readonly left: ReadonlySet<Key>;
}

/** The same, with the earlier views of those objects that a reader had read. */
export interface TypeChangesWithViews extends TypeChanges {
  readonly previousViews: ReadonlyMap<Key, View>;
}

export type ChangesByType = ReadonlyMap<string, TypeChangesWithViews>;

/** The new state of one changed object. */
export interface ObjectWithState {
  readonly type: string;
  readonly key: Key;
  readonly state: ObjectState;
}

/** The new state of one changed object; `null` removes the object without a tombstone. */
export interface ObjectChange {
  readonly type: string;
  readonly key: Key;
  readonly state: ObjectState | null;
  /** Whether the object is removed because it has left the view. Absent: no. */
  readonly hasLeft?: boolean;
}
