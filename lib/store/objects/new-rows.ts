import { CreateCopier, growBytes, stateBytesMore } from '../../merge/create-copier.js';
import type { ServerChangeset } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Shapes } from '../../model/schema.js';
import type { Key } from '../../model/value.js';
import type { StorageChange } from '../../storage/storage.js';
import { objectKeyOf } from '../storage-keys.js';
import type { Blocks } from './blocks.js';
import type { ChangeNotes } from './change-notes.js';
import type { LazyObject } from './lazy-object.js';
import { encodeRuns, type ObjectBlock, type RowRun } from './object-block.js';
import type { StagedObjects } from './staged-objects.js';

/*
 * The objects that a page of downloads creates, if the device has nothing of them. Their states are copied from the
 * bodies of the changesets into blocks. They are in the tables at once, as pending objects that readers do not see, so
 * that each costs one lookup and one insertion. `create-copier.ts` says why.
 */

/** The parts of the objects that a page uses. */
export interface PageParts {
  readonly shapes: Shapes;
  /** `null` until something is downloaded. */
  copier: CreateCopier | null;
  readonly blocks: Blocks;
  readonly staged: StagedObjects;
  readonly notes: ChangeNotes;
  readonly tableOf: (type: string) => Map<Key, LazyObject>;
  /** The pages whose batches are not stored yet. */
  readonly pendingPages: Set<{ readonly abandon: () => void }>;
}

/** An entry whose place is known when its block is complete. */
type PendingEntry = { -readonly [Name in keyof LazyObject]: LazyObject[Name] };

/** Consecutive rows of one type. */
interface PendingRun extends RowRun {
  readonly table: Map<Key, LazyObject>;
  readonly entries: PendingEntry[];
}

/** The states of the block that is being made: one buffer for all realms, because pages are merged synchronously. */
let scratch = new Uint8Array(0);

/** Bytes of the buffers that objects share which are not in blocks. */
const chunkBytes = 8 * 1024;
let chunk = new Uint8Array(0);
let chunkUsed = 0;

/** Moves the state of an entry from the scratch buffer to one that is kept. Returns its bytes. */
const keepState = (entry: PendingEntry): Uint8Array => {
  const state = scratch.subarray(entry.from, entry.to);
  if (chunkUsed + state.byteLength > chunk.byteLength) {
    chunk = new Uint8Array(Math.max(chunkBytes, state.byteLength));
    chunkUsed = 0;
  }
  chunk.set(state, chunkUsed);
  entry.stateOrBytes = chunk;
  entry.from = chunkUsed;
  chunkUsed += state.byteLength;
  entry.to = chunkUsed;
  return chunk.subarray(entry.from, entry.to);
};

/** Returns the scratch buffer with room behind `used` bytes. */
const reserve = (used: number, bytes: number): Uint8Array => {
  if (used + bytes > scratch.byteLength) scratch = growBytes(scratch, used, bytes);
  return scratch;
};

export class NewRows {
  /** Stores the rows. Complete after `finish`. */
  readonly changes: StorageChange[] = [];
  private readonly copier: CreateCopier;
  private readonly runs: PendingRun[] = [];
  private readonly blocks: ObjectBlock[] = [];
  private run: PendingRun | null = null;
  private mayBeStaged = false;
  /** The first run of the block that is being made, its rows, and the bytes of their states. */
  private firstRun = 0;
  private rows = 0;
  private used = 0;

  constructor(
    private readonly parts: PageParts,
    private readonly changesets: readonly ServerChangeset[],
  ) {
    this.copier = parts.copier ??= new CreateCopier(parts.shapes);
    this.copier.beginPage(changesets);
    parts.pendingPages.add(this);
  }

  /**
   * Adds the object that a changeset of the page creates. Returns whether it did: if not, the changeset must be decoded
   * and merged. `isTouched`: whether other changesets of the page change an object.
   */
  add(index: number, isTouched: (type: string, key: Key) => boolean): boolean {
    const { copier } = this;
    const { blocks, staged } = this.parts;
    const { body, origin, time, count } = this.changesets[index] as unknown as ServerChangeset;
    if (body.byteLength > limits.blockRowBytesMax || !copier.accept(body, index)) return false;
    const { type, key } = copier;
    const run = this.run?.type === type ? this.run : this.startRun(type);
    const isKnown = run.table.has(key) || (this.mayBeStaged && staged.has(type, key)) || blocks.isGone(type, key);
    if (isKnown || isTouched(type, key)) return false;
    const from = this.used;
    const target = reserve(from, body.byteLength + stateBytesMore);
    const to = copier.write(target, from, time, count, origin);
    const entry: PendingEntry = { stateOrBytes: target, from, to, view: 'pending', block: null };
    run.table.set(key, entry);
    run.entries.push(entry);
    run.keysAndLengths.push(key, to - from);
    this.rows += 1;
    this.used = to;
    if (to >= limits.blockBytesMax) this.finishBlock();
    return true;
  }

  /** Must be called after the last row and before the next page. */
  finish(): void {
    if (this.blocks.length > 0 || this.rows >= limits.blockRowsMin) this.finishBlock();
    else this.finishSingly();
    if (this.isEmpty()) this.parts.pendingPages.delete(this);
  }

  isEmpty(): boolean {
    return this.changes.length === 0;
  }

  /** Called when the rows are stored. Makes them visible to readers. */
  settle(): void {
    const { blocks, notes, pendingPages } = this.parts;
    pendingPages.delete(this);
    for (const block of this.blocks) blocks.stored(block);
    for (const { type, entries, keysAndLengths } of this.runs) {
      for (const entry of entries) entry.view = undefined;
      notes.noteInserted(type, keysAndLengths, 2);
    }
  }

  /** Removes the rows, because they are not stored. */
  abandon(): void {
    const { blocks, pendingPages } = this.parts;
    pendingPages.delete(this);
    blocks.drop(this.blocks);
    for (const { table, keysAndLengths } of this.runs)
      for (let at = 0; at < keysAndLengths.length; at += 2) table.delete(keysAndLengths[at] as unknown as Key);
  }

  private startRun(type: string): PendingRun {
    const { staged, tableOf } = this.parts;
    const run: PendingRun = { type, table: tableOf(type), entries: [], keysAndLengths: [] };
    this.mayBeStaged = staged.hasAny(type);
    this.run = run;
    this.runs.push(run);
    return run;
  }

  private finishBlock(): void {
    if (this.rows === 0) return;
    const runs = this.runs.slice(this.firstRun).filter(({ entries }) => entries.length > 0);
    const encoded = encodeRuns(scratch.subarray(0, this.used), runs);
    const { block, put } = this.parts.blocks.addEncoded(encoded, this.rows);
    for (const { entries } of runs) {
      for (const entry of entries) {
        entry.stateOrBytes = encoded.states;
        entry.block = block;
      }
    }
    this.blocks.push(block);
    this.changes.push(put);
    this.firstRun = this.runs.length;
    this.run = null;
    this.rows = 0;
    this.used = 0;
  }

  /** Gives each object a record of its own, because the rows are too few for a block. */
  private finishSingly(): void {
    for (const { type, entries, keysAndLengths } of this.runs) {
      entries.forEach((entry, index) => {
        const key = keysAndLengths[2 * index] as unknown as Key;
        this.changes.push({ type: 'put', key: objectKeyOf(type, key), value: keepState(entry) });
      });
    }
  }
}
