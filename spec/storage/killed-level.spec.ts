import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { levelStorage } from '../../lib/storage/level.js';
import { useBuiltLibrary } from '../server/server-process.js';
import { createTemporaryFolders } from './temporary-folders.js';

const { fresh, remove } = createTemporaryFolders();
const lib = useBuiltLibrary();
afterAll(remove);

/** Writes pairs without end, with up to 16 batches pending, and sends its parent the number of each durable one. */
const writer = `
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { levelStorage } from './storage/level.js';
const storage = await firstValueFrom(levelStorage(process.argv[2]));
const key = (name, version) => name + String(version).padStart(8, '0');
let version = 0;
const write = async () => {
  for (;;) {
    const mine = (version += 1);
    const value = Uint8Array.from([mine >> 16, mine >> 8, mine]);
    const pair = [{ type: 'put', key: key('a', mine), value }, { type: 'put', key: key('b', mine), value }];
    await lastValueFrom(storage.batch(pair, { durable: true }), { defaultValue: undefined });
    process.send(mine);
  }
};
process.on('disconnect', () => process.exit());
await Promise.all(Array.from({ length: 16 }, write));
`;

/** Returns the versions that were acknowledged before the writer was killed, soon after the `goal`th. */
const acknowledgedBefore = (goal: number, storagePath: string): Promise<number[]> => {
  writeFileSync(join(lib.folder, 'writer.js'), writer);
  const child = fork(join(lib.folder, 'writer.js'), [storagePath], { execArgv: [] });
  const acknowledged: number[] = [];
  child.on('message', (version) => {
    acknowledged.push(version as number);
    if (acknowledged.length === goal) child.kill('SIGKILL');
  });
  return new Promise((resolve) => child.once('close', () => resolve(acknowledged)));
};

const versionsIn = async (storagePath: string, name: string): Promise<number[]> => {
  const storage = await firstValueFrom(levelStorage(storagePath));
  const found = await firstValueFrom(
    storage.range({ from: name, to: `${name}~`, limit: Infinity, bytesMax: Infinity }),
  );
  await lastValueFrom(storage.close(), { defaultValue: undefined });
  return found.map(([key, [high = 0, middle = 0, low = 0]]) => {
    const version = (high << 16) + (middle << 8) + low;
    expect(key).toBe(name + String(version).padStart(8, '0'));
    return version;
  });
};

describe('LevelDB storage whose process is killed', () => {
  it('has every batch that was acknowledged as durable, and no part of a batch without the rest', async () => {
    const storagePath = fresh();
    const goals = [1, 40, 300].map((most) => most + Math.floor(Math.random() * most));
    for (const goal of goals) {
      const at = `${storagePath}-${goal}`;
      const acknowledged = await acknowledgedBefore(goal, at);
      expect(acknowledged.length).toBeGreaterThanOrEqual(goal);
      const stored = await versionsIn(at, 'a');
      expect(await versionsIn(at, 'b')).toEqual(stored);
      expect(stored).toEqual(expect.arrayContaining(acknowledged));
      // The versions follow the order of the batches, without a gap.
      expect(stored).toEqual(stored.map((_, index) => index + 1));
    }
  }, 30_000);
});
