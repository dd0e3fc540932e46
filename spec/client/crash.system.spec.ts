import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { useBuiltLibrary } from '../server/server-process.js';
import { createTemporaryFolders } from '../storage/temporary-folders.js';

/** `KILLS=200 npm run test:system -- spec/client/crash` tries longer. */
const kills = Number(process.env['KILLS'] ?? 40);
/** Realms at once, each killed repeatedly, on the content that the last crash left. */
const realms = 4;

const { fresh, remove } = createTemporaryFolders();
const code = useBuiltLibrary();
afterAll(remove);

/**
 * The program reports its content. Then it writes two objects, an element and an increment in each transaction, with
 * eight pending writes, and reports each durable one, without end.
 */
const writer = `
import { openRealm } from './index.js';
const properties = { id: 'int', pair: 'int' };
const schema = {
  Left: { primaryKey: 'id', properties },
  Right: { primaryKey: 'id', properties },
  Total: { primaryKey: 'id', properties: { id: 'int', count: 'counter', latest: 'int{}' } },
};
const realm = await openRealm({ schema, storage: process.argv[2] });
const idsOf = (type) => { const ids = []; realm.objects$(type).subscribe((all) => ids.push(...all.map(({ id }) => id))).unsubscribe(); return ids; };
if (!realm.get('Total', 0)) await realm.write((tx) => tx.create('Total', { id: 0 }));
const { count, latest } = realm.get('Total', 0);
process.send({ left: idsOf('Left'), right: idsOf('Right'), count, latest: latest.n ?? 0 });
let next = count;
const write = async () => {
  for (;;) {
    const id = (next += 1);
    await realm.write((tx) => {
      tx.create('Left', { id, pair: id });
      tx.increment('Total', 0, 'count');
      tx.dictionary('Total', 0, 'latest').set('n', id);
      tx.create('Right', { id, pair: id });
    });
    process.send(id);
  }
};
process.on('disconnect', () => process.exit());
await Promise.all(Array.from({ length: 8 }, write));
`;

interface Found {
  readonly left: readonly number[];
  readonly right: readonly number[];
  readonly count: number;
  readonly latest: number;
}

interface Life {
  readonly found: Found;
  readonly acknowledged: readonly number[];
}

/** Runs one process, which is killed after a number of acknowledged writes, with others pending. */
const life = (storagePath: string, goal: number): Promise<Life> => {
  const child = fork(join(code.folder, 'crashing.js'), [storagePath], { execArgv: [] });
  const acknowledged: number[] = [];
  let found: Found | undefined;
  child.on('message', (message) => {
    if (typeof message === 'number') acknowledged.push(message);
    else found = message as Found;
    if (found && acknowledged.length >= goal) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.once('close', (status) => {
      if (found) resolve({ found, acknowledged });
      else reject(new Error(`the writer ended with ${String(status)} before it reported its content`));
    });
  });
};

describe('a realm whose process is killed', () => {
  it(`has every write whose promise had resolved, and no part of another, ${kills} times`, async () => {
    writeFileSync(join(code.folder, 'crashing.js'), writer);
    let lives = 0;
    const killed = async (): Promise<void> => {
      const storagePath = fresh();
      let acknowledged = 0;
      for (let time = 0; time < kills / realms; time += 1) {
        const { found, acknowledged: fresh } = await life(storagePath, Math.floor(Math.random() * 40));
        const { left, right, count, latest } = found;
        // In order and without a gap: as many as the counter, and at least all acknowledged writes.
        expect(left).toEqual(Array.from({ length: count }, (_, at) => at + 1));
        expect(right).toEqual(left);
        expect([latest, count >= acknowledged]).toEqual([count, true]);
        acknowledged = Math.max(acknowledged, ...fresh);
        lives += 1;
      }
    };
    await Promise.all(Array.from({ length: realms }, killed));
    expect(lives).toBe(kills);
  }, 400_000);
});
