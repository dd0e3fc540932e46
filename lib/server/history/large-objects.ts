import { map, reduce, type Observable } from 'rxjs';
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

/** Reads the large objects of a realm. Emits once and completes. */
export const openLargeObjects = (storage: Storage): Observable<LargeObjects> =>
  readPagesUnder(storage, prefix).pipe(
    reduce((all, page) => {
      for (const [key] of page) all.add(key.slice(prefix.length));
      return all;
    }, new Set<string>()),
    map((texts) => ({
      has: (text) => texts.has(text),
      isEmpty: () => texts.size === 0,
      toChanges: (text, bytes) => {
        const isLarge = bytes > serverLimits.largeObjectBytes;
        if (isLarge === texts.has(text)) return [];
        const key = prefix + text;
        if (!isLarge) {
          texts.delete(text);
          return [{ type: 'del', key }];
        }
        texts.add(text);
        return [{ type: 'put', key, value: new Uint8Array(0) }];
      },
    })),
  );
