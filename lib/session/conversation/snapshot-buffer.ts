import type { ObjectName, StoredObject } from '../../model/changeset.js';
import type { Key } from '../../model/value.js';
import type { Version } from '../../model/version.js';
import type { Snapshot } from '../../protocol/messages.js';

/**
 * The received pages of a snapshot. They outlive a connection, so that a disconnect costs one page and not all.
 *
 * In memory, as the realm itself. After a restart of the process the snapshot is fetched again. The session that owns
 * the buffer drops it when it ends.
 */
export interface SnapshotBuffer {
  /** Continues with this snapshot, or begins it. Returns the last received object, or `null`. */
  begin(history: string, version: Version): ObjectName | null;
  /** Adds a page. Returns its contradiction to earlier pages, having added nothing, or `null`. */
  add(page: Snapshot): string | null;
  /** Returns all received objects. */
  objects(): readonly StoredObject[];
  /** Discards all pages. */
  drop(): void;
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
    return `${left} objects are left, but ${pages.remaining} were expected`;
  }
  if (bytes < pages.bytes) return `it is at ${bytes} bytes, but the last page was at ${pages.bytes}`;
  const fresh = new Map<string, Set<Key>>();
  for (const { type, key } of objects) {
    let keys = fresh.get(type);
    if (!keys) fresh.set(type, (keys = new Set()));
    if (keys.has(key) || pages.names.get(type)?.has(key) === true) return `${type}[${String(key)}] was sent before`;
    keys.add(key);
  }
  return null;
};

/** Most sessions never receive a snapshot, so that an empty buffer holds nothing. */
class LazySnapshotBuffer implements SnapshotBuffer {
  #pages: BufferedPages | null = null;

  begin(history: string, version: Version): ObjectName | null {
    const of = `${version} ${history}`;
    if (this.#pages?.snapshotId !== of) this.#pages = createEmptyPages(of);
    const last = this.#pages.objects.at(-1);
    return last ? { type: last.type, key: last.key } : null;
  }

  add(page: Snapshot): string | null {
    const pages = (this.#pages ??= createEmptyPages(''));
    const contradiction = contradictionOf(pages, page);
    if (contradiction !== null) return contradiction;
    for (const object of page.objects) {
      pages.objects.push(object);
      const keys = pages.names.get(object.type);
      if (keys) keys.add(object.key);
      else pages.names.set(object.type, new Set([object.key]));
    }
    pages.remaining = page.remaining;
    pages.bytes = page.bytes;
    return null;
  }

  objects(): readonly StoredObject[] {
    return this.#pages?.objects ?? [];
  }

  drop(): void {
    this.#pages = null;
  }
}

export const createSnapshotBuffer = (): SnapshotBuffer => new LazySnapshotBuffer();
