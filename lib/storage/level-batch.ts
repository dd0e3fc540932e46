import type { WriteBatch } from './log-switches.js';

/*
 * Writes batches of `classic-level`. Its method for arrays looks up five fields of each change by their names, which
 * takes the thread of JavaScript several times as long as collecting the changes one by one (measured). A server writes
 * five changes for each object with an index.
 */

/** The part of a batch of `classic-level` that its base class calls. */
interface ChangeCollector {
  readonly _put: (key: string, value: Uint8Array) => void;
  readonly _del: (key: string) => void;
  readonly _clear: () => void;
  readonly _write: (options: { readonly sync: boolean }) => Promise<void>;
}

/** Bytes of a batch above which its memory is not kept for the next one. */
const keptBytesMax = 4 * 1024 * 1024;

/**
 * Returns the function that writes a batch to a database. It must not be called before the previous batch has ended.
 */
export const createLevelBatch = (createBatch: () => object): WriteBatch => {
  // One for all batches: LevelDB frees its memory only when JavaScript collects it, which does not know its size.
  let kept: ChangeCollector | null = null;
  return async (changes, durable) => {
    if (changes.length === 0) return;
    const collector = kept ?? (createBatch() as ChangeCollector);
    kept = null; // Not used again if anything fails.
    let bytes = 0;
    for (const change of changes) {
      bytes += change.key.length;
      if (change.type === 'del') collector._del(change.key);
      else {
        bytes += change.value.byteLength;
        collector._put(change.key, change.value);
      }
    }
    await collector._write({ sync: durable });
    collector._clear();
    if (bytes <= keptBytesMax) kept = collector;
  };
};
