import type { StorageChange } from './storage.js';

/** Writes a batch. Never called again before its promise has settled. */
export type WriteBatch = (changes: readonly StorageChange[], durable: boolean) => Promise<void>;

/** Bytes of the table in memory above which LevelDB begins another log file: its default `writeBufferSize`. */
const tableBytesMax = 4 * 1024 * 1024;
/** Bytes that a change takes in the table besides its key and value. They are 37 on average. */
const changeBytes = 56;
/** Factor for unused parts of the blocks of which the table consists: up to a quarter of each. */
const tableTimes = 4 / 3;

/** Returns an upper bound of the bytes that a batch takes in the table. */
const tableBytesOf = (changes: readonly StorageChange[]): number => {
  let bytes = 0;
  for (const change of changes)
    bytes += changeBytes + change.key.length + (change.type === 'put' ? change.value.byteLength : 0);
  return bytes * tableTimes;
};

/**
 * Returns `write`, which then loses batches only from the end in a power cut: if a batch is lost, all later ones are.
 *
 * LevelDB does not sync a log file when it begins another one. Until the table of the first file is stored, an unsynced
 * batch in it may be lost although a later one in the other file survives: a page of objects, but not the cursor after
 * it. So the last batch of each file is synced here. It is known because `switchLog` begins the next file, before
 * LevelDB would do so by itself. Batches until then may be in either file, so they are synced, too.
 *
 * @param write - Writes a batch to LevelDB.
 * @param switchLog - Begins another log file. Resolves when batches are written to that file.
 * @returns The function that writes a batch.
 */
export const createOrderedWrite = (write: WriteBatch, switchLog: () => Promise<void>): WriteBatch => {
  let tableBytes = 0;
  let isSwitching = false;

  const startSwitch = (): void => {
    tableBytes = 0;
    isSwitching = true;
    switchLog().then(
      () => (isSwitching = false),
      () => undefined, // It may have happened or not: from now on each batch is synced.
    );
  };

  return (changes, durable) => {
    tableBytes += tableBytesOf(changes);
    const isFull = tableBytes > tableBytesMax;
    const written = write(changes, durable || isFull || isSwitching);
    return isFull && !isSwitching ? written.then(startSwitch) : written;
  };
};
