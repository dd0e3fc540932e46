import { readdirSync } from 'node:fs';
import { ClassicLevel } from 'classic-level';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { abstractLevelStorage, type LevelDatabase } from '../../lib/storage/abstract-level.js';
import type { StorageChange } from '../../lib/storage/storage.js';
import { createTemporaryFolders } from './temporary-folders.js';

const { fresh, remove } = createTemporaryFolders();
afterAll(remove);

/** A batch that was written, the log file in which it is, and whether it was synced. */
interface WrittenBatch {
  readonly log: string;
  readonly sync: boolean;
}

/** Opens a storage on a LevelDB, and records its batches and how often its log files were switched. */
const openRecorded = async () => {
  const folder = fresh();
  const level = new ClassicLevel<string, Uint8Array>(folder);
  const batches: WrittenBatch[] = [];
  let switches = 0;
  const database: LevelDatabase = {
    open: () => level.open(),
    close: () => level.close(),
    get: (key, options) => level.get(key, options),
    iterator: (options) => level.iterator(options),
    batch: async (changes, options) => {
      await level.batch(changes, options);
      const logs = readdirSync(folder).filter((name) => name.endsWith('.log'));
      batches.push({ log: logs.sort().at(-1) ?? '', sync: options.sync });
    },
    compactRange: async (...range) => {
      switches += 1;
      await level.compactRange(...range);
    },
  };
  const storage = await firstValueFrom(abstractLevelStorage(database));
  /** Fills the table twice with values of one size, about 100 kB or one value in each batch. */
  const fill = async (valueBytes: number): Promise<void> => {
    const entryBytes = valueBytes + 70;
    const each = Math.ceil(100_000 / entryBytes);
    for (let at = 0; at < 12_000_000 / (each * entryBytes); at += 1) {
      const changes = Array.from({ length: each }, (_, index): StorageChange => ({
        ...{ type: 'put', key: `key-${valueBytes}-${at}-${index}`.padEnd(20, '-') },
        value: new Uint8Array(valueBytes),
      }));
      await lastValueFrom(storage.batch(changes, { durable: false }), { defaultValue: undefined });
    }
  };
  const close = () => lastValueFrom(storage.close(), { defaultValue: undefined });
  return { batches, fill, close, switches: () => switches };
};

describe('the log files of a LevelDB', () => {
  it.each([10, 300, 985, 1_030, 5_000, 60_000, 900_000])(
    'end with a synced batch when values have %i bytes',
    async (valueBytes) => {
      const { batches, fill, close, switches } = await openRecorded();
      await fill(valueBytes);
      const ends = batches.filter(({ log }, at) => batches[at + 1] !== undefined && batches[at + 1]?.log !== log);
      expect(ends.length).toBeGreaterThan(1);
      expect(ends.filter(({ sync }) => !sync)).toEqual([]);
      expect(ends.length).toBeLessThanOrEqual(switches()); // LevelDB did not begin one by itself.
      expect(batches.some(({ sync }) => !sync)).toBe(true);
      await close();
    },
  );
});
