import type { Key } from '../../model/value.js';
import type { View } from './object-view.js';
import type { ChangesByType, ObjectChange } from './object-change.js';
import type { SetAside } from './set-aside.js';

const createTypeChanges = () => ({
  inserted: new Set<Key>(),
  modified: new Set<Key>(),
  deleted: new Set<Key>(),
  left: new Set<Key>(),
  previousViews: new Map<Key, View>(),
});

/**
 * Combines a change with the earlier ones. An object that was inserted and deleted between two emissions is in neither
 * set.
 */
const noteChange = (changes: ReturnType<typeof createTypeChanges>, key: Key, before: boolean, after: boolean): void => {
  const { inserted, modified, deleted, left } = changes;
  if (!before && after) {
    if (deleted.size > 0 && deleted.delete(key)) {
      left.delete(key);
      modified.add(key);
    } else inserted.add(key);
  } else if (before && !after) {
    modified.delete(key);
    if (!inserted.delete(key)) deleted.add(key);
  } else if (after && !inserted.has(key)) modified.add(key);
};

/** Collects the changes of batches until they are taken. */
export const createChangeNotes = (setAside: SetAside) => {
  let changes = new Map<string, ReturnType<typeof createTypeChanges>>();
  const changesOf = (type: string): ReturnType<typeof createTypeChanges> => {
    let ofType = changes.get(type);
    if (!ofType) changes.set(type, (ofType = createTypeChanges()));
    return ofType;
  };
  return {
    /** Notes objects of which nothing was known. Every `step`-th element of `keys` is a key. */
    noteInserted: (type: string, keys: readonly Key[], step: number): void => {
      if (keys.length === 0) return;
      const ofType = changesOf(type);
      for (let at = 0; at < keys.length; at += step) noteChange(ofType, keys[at] as unknown as Key, false, true);
    },
    /** `hasLeft`: whether the object is not there afterwards because it has left the view. */
    note: (
      { type, key, hasLeft = false }: Pick<ObjectChange, 'type' | 'key' | 'hasLeft'>,
      was: View | undefined,
      before: boolean,
      after: boolean,
    ): void => {
      const ofType = changesOf(type);
      if (was) ofType.previousViews.set(key, was);
      noteChange(ofType, key, before, after);
      if (hasLeft && ofType.deleted.has(key)) ofType.left.add(key);
      if (ofType.inserted.size + ofType.modified.size + ofType.deleted.size === 0) changes.delete(type);
    },
    taken: (): ChangesByType => {
      setAside.flush();
      const taken = changes;
      changes = new Map();
      return taken;
    },
  };
};

export type ChangeNotes = ReturnType<typeof createChangeNotes>;
