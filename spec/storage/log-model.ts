import type { LevelDatabase } from '../../lib/storage/abstract-level.js';
import type { StorageChange } from '../../lib/storage/storage.js';

/** A log file of the model, with the batches in it. */
interface ModelLog {
  readonly batches: (readonly StorageChange[])[];
  /** Number of batches that were synced. */
  synced: number;
  /** Whether the table of this file is stored, so that nothing of it can be lost. */
  isStored: boolean;
}

/** A model of the log files of a LevelDB, in which batches are only written. */
export interface LogModel {
  readonly database: LevelDatabase;
  /** The same without `compactRange`. */
  readonly unguarded: LevelDatabase;
  /** Lets some of the work in the background happen. */
  readonly proceed: () => Promise<void>;
  /** Returns the keys that survive: of each log file at least what was synced, and the start of the rest. */
  readonly cutPower: () => string[];
}

const writeBufferSize = 4 * 1024 * 1024;

const bytesOf = (changes: readonly StorageChange[]): number =>
  changes.reduce((sum, change) => sum + change.key.length + (change.type === 'put' ? change.value.byteLength : 0), 0);

/**
 * Creates a model of `MakeRoomForWrite` of LevelDB: a full table begins another log file before the next batch, and
 * the file before is not synced. Its table is stored some time later, at most one at a time.
 */
export const createLogModel = (random: () => number): LogModel => {
  const logs: ModelLog[] = [{ batches: [], synced: 0, isStored: false }];
  let tableBytes = 0;
  const requests: (() => void)[] = [];
  const storing: (() => void)[] = [];
  const current = (): ModelLog => logs[logs.length - 1]!;

  const storeTable = (): void => {
    for (const log of logs.slice(0, -1)) log.isStored = true;
    for (const resolve of storing.splice(0)) resolve();
  };
  const beginLog = (): void => {
    storeTable(); // The table before must be stored first.
    logs.push({ batches: [], synced: 0, isStored: false });
    tableBytes = 0;
  };
  const unguarded: LevelDatabase = {
    open: () => Promise.resolve(),
    close: () => Promise.resolve(),
    get: () => Promise.resolve(undefined),
    iterator: () => ({ nextv: () => Promise.resolve([]), close: () => Promise.resolve() }),
    batch: (changes, { sync }) => {
      if (tableBytes > writeBufferSize) beginLog();
      const log = current();
      log.batches.push(changes);
      tableBytes += bytesOf(changes);
      if (sync) log.synced = log.batches.length;
      return Promise.resolve();
    },
  };
  const database: LevelDatabase = {
    ...unguarded,
    compactRange: () =>
      new Promise((resolve) => {
        requests.push(() => {
          beginLog();
          storing.push(resolve);
        });
      }),
  };
  return {
    database,
    unguarded,
    proceed: async () => {
      if (random() < 0.2) for (const request of requests.splice(0)) request();
      if (random() < 0.2) storeTable();
      await Promise.resolve();
    },
    cutPower: () =>
      logs.flatMap(({ batches, synced, isStored }) => {
        const kept = isStored ? batches.length : synced + Math.floor(random() * (batches.length - synced + 1));
        return batches.slice(0, kept).flatMap((changes) => changes.map(({ key }) => key));
      }),
  };
};
