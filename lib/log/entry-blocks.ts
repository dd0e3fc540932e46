import { isBytes } from '../model/built-ins.js';
import { limits } from '../model/limits.js';
import { encodeValue } from '../model/msgpack.js';
import { findFirstIndex } from '../model/sorted-search.js';
import { createDamageError, decodeStoredFields } from '../model/stored-data.js';
import type { Version } from '../model/version.js';
import type { StorageChange } from '../storage/storage.js';
import { blockKeyOf, type LogKeys } from './log-keys.js';
import type { BlockBounds } from './log-page.js';

/*
 * Entries that one batch appends share a record, their block. Of 10 000 changesets that a device wrote offline, 32 at a
 * time, that leaves about 300 records to read and to delete. To send and to acknowledge them took 100 ms of CPU before,
 * and takes 12 (measured). An entry with a record of its own replaces the one of a block. These have such records:
 * entries that were replaced, batches with few entries, and storages of earlier versions.
 */

type Put = Extract<StorageChange, { type: 'put' }>;

/** Returns the encoded entries of a block, at least one. Throws a `StorageError` for other bytes. */
export const decodeEntryBlock = (key: string, record: Uint8Array): readonly Uint8Array[] => {
  const all = decodeStoredFields(key, record);
  if (all.length > 0 && all.every(isBytes)) return all;
  throw createDamageError('record', key);
};

/** Returns the deletes of all records that may begin with these versions. */
export const deletesFrom = (keys: LogKeys, first: Version, last: Version): StorageChange[] => {
  const deletes: StorageChange[] = [];
  for (let version = first; version <= last; version += 1)
    deletes.push({ type: 'del', key: keys.entry(version) }, { type: 'del', key: blockKeyOf(keys, version) });
  return deletes;
};

/** Knows which records a log has: blocks, and single entries for all other versions. */
export class EntryBlocks {
  /** The blocks of the batch that is being written. */
  private begun: BlockBounds[] = [];
  /** Whether that batch restarts the log. */
  private isRestarting = false;

  constructor(
    private readonly keys: LogKeys,
    /** In the order of their versions. */
    private blocks: BlockBounds[],
    /** Versions in blocks that may have a record of their own, too. */
    private readonly replaced: Set<Version>,
    /** The last version that was written. Later entries are appended, others replace the one of their version. */
    private writtenTo: Version,
  ) {}

  /** See `Log.pack`. */
  pack(changes: readonly StorageChange[]): readonly StorageChange[] {
    const { keys } = this;
    const entryPrefix = `${keys.prefix}e`;
    const packed: StorageChange[] = [];
    let run: Put[] = []; // Entries up to `writtenTo`, for one block.
    let bytes = 0;
    const endRun = (): void => {
      const first = this.writtenTo + 1 - run.length;
      if (run.length < limits.blockRowsMin) packed.push(...run);
      else {
        this.begun.push({ first, last: this.writtenTo });
        packed.push({ type: 'put', key: blockKeyOf(keys, first), value: encodeValue(run.map(({ value }) => value)) });
      }
      run = [];
      bytes = 0;
    };
    for (const change of changes) {
      const version = change.type === 'put' && change.key.startsWith(entryPrefix) ? keys.versionOf(change.key) : null;
      if (change.type === 'put' && version !== null && version > this.writtenTo) {
        bytes += change.value.byteLength;
        if (run.length === limits.pageChangesetsMax || bytes > limits.pageBytesMax) {
          endRun();
          bytes = change.value.byteLength;
        }
        run.push(change);
        this.writtenTo = version;
        continue;
      }
      if (change.key.startsWith(keys.prefix)) endRun();
      if (change.type === 'del' && change.key === keys.floor) {
        this.isRestarting = true; // The changes before this one have deleted all records.
        this.begun = [];
        this.writtenTo = 0;
      }
      packed.push(change);
    }
    endRun();
    return packed;
  }

  /** Called after the entries of a batch were stored, once or several times. */
  confirm(): void {
    // The entries before a restart are deleted, and the blocks after it are not those of the entries before it.
    if (this.isRestarting) return;
    this.blocks.push(...this.begun);
    this.endBatch();
  }

  /** Called after a batch that restarts the log was stored, when everything before the restart is confirmed. */
  confirmRestart(): void {
    this.blocks = this.begun;
    this.endBatch();
  }

  /** Called after a batch has failed. */
  discardPending(head: Version): void {
    this.writtenTo = head;
    this.endBatch();
  }

  private endBatch(): void {
    this.isRestarting = false;
    this.begun = [];
  }

  /** Called before an entry gets a record of its own: a trim that is queued next deletes that, too. */
  replace(version: Version): void {
    this.replaced.add(version);
  }

  /** Returns the first version of the block that has a version, or of the next block; `null` without one. */
  firstFrom(version: Version): Version | null {
    return this.blocks[findFirstIndex(this.blocks, ({ last }) => last >= version)]?.first ?? null;
  }

  /** Returns the deletes of all records whose last entry is after `floor` and not after `to`. */
  toTrimChanges(floor: Version, to: Version): StorageChange[] {
    const { keys, replaced, blocks } = this;
    const deletes: StorageChange[] = [];
    let at = 0;
    for (let version = floor + 1; version <= to; version += 1) {
      const block = blocks[at];
      if (!block || version < block.first || replaced.has(version))
        deletes.push({ type: 'del', key: keys.entry(version) });
      if (!block || block.last > version) continue;
      deletes.push({ type: 'del', key: blockKeyOf(keys, block.first) });
      at += 1;
    }
    return deletes;
  }

  confirmTrim(floor: Version, to: Version): void {
    const { replaced, blocks } = this;
    for (let version = floor + 1; version <= to && replaced.size > 0; version += 1) replaced.delete(version);
    const kept = findFirstIndex(blocks, ({ last }) => last > to);
    if (kept > 0) this.blocks = blocks.slice(kept);
  }

  /** Returns the deletes of all records, also of batches that are pending: each version may begin a block. */
  toRestartChanges(floor: Version, to: Version): StorageChange[] {
    // Of the blocks only the first can begin before `floor`, and end after it.
    return deletesFrom(this.keys, Math.min(this.blocks[0]?.first ?? floor + 1, floor + 1), to);
  }
}
