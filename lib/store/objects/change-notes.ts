import type { Key } from '../../model/value.js';
import type { View } from './object-view.js';
import type { ChangesByType } from './object-change.js';
import type { SetAside } from './set-aside.js';

const createTypeChanges = () => ({
  inserted: new Set<Key>(),
  modified: new Set<Key>(),
  deleted: new Set<Key>(),
  previousViews: new Map<Key, View>(),
});

/**
 * Combines a change with the earlier ones. An object that was inserted and deleted between two emissions is in neither
 * set.
 */
const noteChange = (changes: ReturnType<typeof createTypeChanges>, key: Key, before: boolean, after: boolean): void => {
  const { inserted, modified, deleted } = changes;
  if (!before && after) (deleted.delete(key) ? modified : inserted).add(key);
  else if (before && !after) {
    modified.delete(key);
    if (!inserted.delete(key)) deleted.add(key);
  } else if (after && !inserted.has(key)) modified.add(key);
};

/** Collects the changes of batches until they are taken. */
export const createChangeNotes = (setAside: SetAside) => {
  let changes = new Map<string, ReturnType<typeof createTypeChanges>>();
  return {
    note: (type: string, key: Key, was: View | undefined | null, before: boolean, after: boolean): void => {
      let ofType = changes.get(type);
      if (!ofType) changes.set(type, (ofType = createTypeChanges()));
      if (was) ofType.previousViews.set(key, was);
      noteChange(ofType, key, before, after);
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
