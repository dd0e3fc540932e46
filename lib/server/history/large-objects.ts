import { defer, reduce, type Observable } from 'rxjs';
import { serverLimits } from '../server-limits.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import { readPagesUnder } from './record-codec.js';

/** The large stored objects of a realm. They are few, and are known from the opening of the realm on. */
export interface LargeObjects {
  readonly has: (text: string) => boolean;
  readonly isEmpty: () => boolean;
  /** Returns the changes to store with an object of this size, in the same batch. */
  readonly toChanges: (text: string, bytes: number) => readonly StorageChange[];
}

const prefix = 'large/';

/** A class, because a server has one for each open realm. */
class StoredLargeObjects implements LargeObjects {
  /** `null` while no object is large, as in most realms. */
  private texts: Set<string> | null = null;

  has(text: string): boolean {
    return this.texts?.has(text) === true;
  }

  isEmpty(): boolean {
    return this.texts === null || this.texts.size === 0;
  }

  add(text: string): void {
    this.texts = (this.texts ?? new Set()).add(text);
  }

  toChanges(text: string, bytes: number): readonly StorageChange[] {
    const isLarge = bytes > serverLimits.largeObjectBytes;
    if (isLarge === this.has(text)) return [];
    const key = prefix + text;
    if (!isLarge) {
      this.texts?.delete(text);
      return [{ type: 'del', key }];
    }
    this.add(text);
    return [{ type: 'put', key, value: new Uint8Array(0) }];
  }
}

/** Reads the large objects of a realm. Emits once and completes. */
export const openLargeObjects = (storage: Storage): Observable<LargeObjects> =>
  defer(() =>
    readPagesUnder(storage, prefix).pipe(
      reduce((all, page) => {
        for (const [key] of page) all.add(key.slice(prefix.length));
        return all;
      }, new StoredLargeObjects()),
    ),
  );
