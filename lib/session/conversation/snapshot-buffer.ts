import type { ObjectName, StoredObject } from '../../model/changeset.js';
import type { Key } from '../../model/value.js';
import type { Version } from '../../model/version.js';
import type { Snapshot } from '../../protocol/messages.js';

/**
 * The pages of a snapshot that have come: they outlive the line, so that a drop costs one page and not all. In memory,
 * where the realm is going to be; a process that ends begins again. One session owns it, and lets go of it when it
 * gives up.
 */
export interface SnapshotBuffer {
  /** Goes on with a snapshot, or begins with another one: says after which object. */
  readonly begin: (history: string, version: Version) => ObjectName | null;
  /** Takes a page. Says in what it contradicts those before, if it does; then nothing has changed. */
  readonly add: (page: Snapshot) => string | null;
  /** All objects that have come. */
  readonly objects: () => readonly StoredObject[];
  /** Lets go of all. */
  readonly drop: () => void;
}

interface BufferedPages {
  readonly snapshotId: string;
  readonly objects: StoredObject[];
  readonly names: Map<string, Set<Key>>;
  remaining: number | null;
  bytes: number;
}

const createEmptyPages = (of: string): BufferedPages => ({
  snapshotId: of,
  objects: [],
  names: new Map(),
  remaining: null,
  bytes: 0,
});

const contradictionOf = (pages: BufferedPages, { objects, remaining, bytes }: Snapshot): string | null => {
  const left = remaining + objects.length;
  if (pages.remaining !== null && left !== pages.remaining) {
    return `${left} objects were left, but ${pages.remaining} had to be`;
  }
  if (bytes < pages.bytes) return `it is at ${bytes} bytes, but the one before was at ${pages.bytes}`;
  const fresh = new Map<string, Set<Key>>();
  for (const { type, key } of objects) {
    let keys = fresh.get(type);
    if (!keys) fresh.set(type, (keys = new Set()));
    if (keys.has(key) || pages.names.get(type)?.has(key) === true) return `${type}[${String(key)}] came before`;
    keys.add(key);
  }
  return null;
};

export const createSnapshotBuffer = (): SnapshotBuffer => {
  let pages = createEmptyPages('');
  return {
    begin: (history, version) => {
      const of = `${version} ${history}`;
      if (pages.snapshotId !== of) pages = createEmptyPages(of);
      const last = pages.objects.at(-1);
      return last ? { type: last.type, key: last.key } : null;
    },
    add: (page) => {
      const wrong = contradictionOf(pages, page);
      if (wrong !== null) return wrong;
      for (const object of page.objects) {
        pages.objects.push(object);
        const keys = pages.names.get(object.type);
        if (keys) keys.add(object.key);
        else pages.names.set(object.type, new Set([object.key]));
      }
      pages.remaining = page.remaining;
      pages.bytes = page.bytes;
      return null;
    },
    objects: () => pages.objects,
    drop: () => (pages = createEmptyPages('')),
  };
};
