import { firstValueFrom, lastValueFrom } from 'rxjs';
import { createSeededRandom } from '../../lib/model/seeded-random.js';
import { abstractLevelStorage, type LevelDatabase } from '../../lib/storage/abstract-level.js';
import type { StorageChange } from '../../lib/storage/storage.js';
import { createLogModel, type LogModel } from './log-model.js';

const seeds = Array.from({ length: 10 }, (_, seed) => seed);

const bytes = new Uint8Array(400_000);

/** A batch with its number in a key of its own, and up to 400 kB of bytes. */
const batchOf = (number: number, random: () => number): StorageChange[] => [
  { type: 'put', key: `batch-${number}`, value: bytes.subarray(0, Math.floor(random() ** 3 * bytes.length)) },
];

/**
 * Writes batches, and cuts the power of a copy of the disk after each, which loses what each log file may lose. Returns
 * how often batches in the middle were lost, how often one that was reported as durable, and how often any.
 */
const countLosses = async (seed: number, databaseOf: (model: LogModel) => LevelDatabase) => {
  const random = createSeededRandom(seed);
  const model = createLogModel(random);
  const storage = await firstValueFrom(abstractLevelStorage(databaseOf(model)));
  const counted = { gaps: 0, durable: 0, any: 0 };
  let durable = 0;
  for (let number = 1; number <= 300; number += 1) {
    const isDurable = random() < 0.05;
    await lastValueFrom(storage.batch(batchOf(number, random), { durable: isDurable }), { defaultValue: undefined });
    if (isDurable) durable = number;
    await model.proceed();
    const survivors = model.cutPower().map((key) => Number(key.slice('batch-'.length)));
    if (survivors.at(-1) !== survivors.length && survivors.length > 0) counted.gaps += 1;
    if (survivors.length < durable) counted.durable += 1;
    if (survivors.length < number) counted.any += 1;
  }
  return counted;
};

describe('a power cut of a LevelDB', () => {
  it('loses batches only from the end, and none that is durable', async () => {
    for (const seed of seeds) {
      const { gaps, durable, any } = await countLosses(seed, ({ database }) => database);
      expect([seed, gaps, durable]).toEqual([seed, 0, 0]);
      expect(any).toBeGreaterThan(100);
    }
  });

  it('would lose some in the middle if LevelDB began log files by itself', async () => {
    for (const seed of seeds) {
      const { gaps } = await countLosses(seed, ({ unguarded }) => unguarded);
      expect(gaps).toBeGreaterThan(0);
    }
  });
});
