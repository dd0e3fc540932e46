import { type Changeset, nameTextOf, type ObjectName } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import { decodeStoredOperations } from '../commit/outbox.js';
import type { DetachedObject } from './detached-objects.js';

/** The objects that these changesets touch after a client version, by `nameTextOf`, each with the last of them. */
export const unsentObjectsOf = (
  changesets: readonly Changeset[],
  after: Version,
): ReadonlyMap<string, DetachedObject> => {
  const found = new Map<string, DetachedObject>();
  for (const changeset of changesets) {
    const { version } = changeset;
    if (version <= after) continue;
    for (const { type, key } of decodeStoredOperations(changeset)) {
      const text = nameTextOf({ type, key });
      if (version > (found.get(text)?.version ?? 0)) found.set(text, { type, key, version });
    }
  }
  return found;
};

/** Objects by `nameTextOf`. */
export const namesOf = (objects: readonly ObjectName[]): ReadonlySet<string> => new Set(objects.map(nameTextOf));
