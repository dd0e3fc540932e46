import { nameTextOf, type ObjectName } from '../../model/changeset.js';
import { parseObjectText } from '../../model/object-key.js';
import type { Version } from '../../model/version.js';
import type { StorageChange, StorageEntry } from '../../storage/storage.js';
import { detachedKeyOf, detachedPrefix } from '../storage-keys.js';
import { decodeDetached, encodeDetached } from './view-records.js';

/** An object that has left the view while changes of it are unsent. */
export interface DetachedObject extends ObjectName {
  /** The last client version that was known to touch it when it left. Later ones may touch it, too. */
  readonly version: Version;
}

/** Changes of the detached objects, to be stored in one batch. */
export interface DetachedEdit {
  readonly changes: readonly StorageChange[];
  /** Called when the batch is stored. */
  readonly stored: () => void;
}

export const readDetached = ([key, bytes]: StorageEntry): DetachedObject => ({
  ...parseObjectText(key.slice(detachedPrefix.length), key),
  version: decodeDetached(key, bytes),
});

const toDetachedDelete = ({ type, key }: ObjectName): StorageChange => ({ type: 'del', key: detachedKeyOf(type, key) });

export const toDetachedPut = ({ type, key, version }: DetachedObject): StorageChange => ({
  type: 'put',
  key: detachedKeyOf(type, key),
  value: encodeDetached(version),
});

/** The detached objects of a realm: the stored ones, and those after the commits that are pending. */
export class DetachedObjects {
  #latest: Map<string, DetachedObject>;
  readonly #stored: Map<string, DetachedObject>;

  constructor(stored: readonly DetachedObject[]) {
    this.#stored = new Map(stored.map((each) => [nameTextOf(each), each]));
    this.#latest = new Map(this.#stored);
  }

  has(name: ObjectName): boolean {
    return this.#latest.size > 0 && this.#latest.has(nameTextOf(name));
  }

  all(): readonly DetachedObject[] {
    return [...this.#latest.values()];
  }

  /** Those that may go when everything up to a client version is acknowledged or rejected. */
  upTo(version: Version): readonly DetachedObject[] {
    return this.#latest.size === 0 ? [] : this.all().filter((each) => each.version <= version);
  }

  /**
   * Detaches objects, and removes others. The batch has a delete for each removed one, stored or not.
   */
  edit(added: readonly DetachedObject[], removed: readonly ObjectName[]): DetachedEdit {
    const apply = (to: Map<string, DetachedObject>): void => {
      for (const each of removed) to.delete(nameTextOf(each));
      for (const each of added) to.set(nameTextOf(each), each);
    };
    apply(this.#latest);
    return {
      changes: [...removed.map(toDetachedDelete), ...added.map(toDetachedPut)],
      stored: () => apply(this.#stored),
    };
  }

  dump(): readonly StorageChange[] {
    return [...this.#stored.values()].map(toDetachedPut);
  }

  /** Called when a batch has failed, and all pending commits with it. */
  rollBack(): void {
    this.#latest = new Map(this.#stored);
  }
}
