import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom, NEVER } from 'rxjs';
import { systemClock } from '../../lib/clock.js';
import { decodeOperations } from '../../lib/merge/operation-codec.js';
import { isLeft } from '../../lib/model/result.js';
import { levelStorage } from '../../lib/storage/level.js';
import { openStore } from '../../lib/store/open-store.js';
import type { Store } from '../../lib/store/store.js';
import { useBuiltLibrary } from '../server/server-process.js';
import { createTemporaryFolders } from '../storage/temporary-folders.js';
import { createTask, waitUntilDone, milk, createPage, shapes, identityOf } from './test-kit.js';

const { fresh, remove } = createTemporaryFolders();
const lib = useBuiltLibrary();
afterAll(remove);

const openedAt = async (storagePath: string): Promise<Store> => {
  const storage = await firstValueFrom(levelStorage(storagePath));
  return firstValueFrom(openStore({ storage, shapes, clock: systemClock }));
};

/** Writes transactions of two objects, 16 at a time, for ever, and reports each durable one to its parent process. */
const writer = `
import { firstValueFrom } from 'rxjs';
import { systemClock } from './clock.js';
import { checkSchema } from './model/schema.js';
import { levelStorage } from './storage/level.js';
import { openStore } from './store/open-store.js';
const shapes = checkSchema(${JSON.stringify({
  Task: { primaryKey: 'id', properties: { id: 'string', title: 'string', due: 'date?', votes: 'int?', done: 'bool' } },
})});
const storage = await firstValueFrom(levelStorage(process.argv[2]));
const store = await firstValueFrom(openStore({ storage, shapes, clock: systemClock }));
let count = 0;
const write = async () => {
  for (;;) {
    const votes = (count += 1);
    const { version } = await firstValueFrom(store.write((tx) => {
      for (const half of ['a', 'b']) tx.create('Task', { id: half + votes, title: 'half', votes, done: false });
    }));
    process.send([votes, version]);
  }
};
process.on('disconnect', () => process.exit());
await Promise.all(Array.from({ length: 16 }, write));
`;

/** The writes that were reported as durable before the writer was killed, soon after number `goal`. */
const resolvedBefore = (
  goal: number,
  storagePath: string,
): Promise<readonly (readonly [votes: number, version: number])[]> => {
  writeFileSync(join(lib.folder, 'storewriter.js'), writer);
  const child = fork(join(lib.folder, 'storewriter.js'), [storagePath], { execArgv: [] });
  const resolved: [number, number][] = [];
  child.on('message', (message) => {
    resolved.push(message as [number, number]);
    if (resolved.length === goal) child.kill('SIGKILL');
  });
  return new Promise((resolve) => child.once('close', () => resolve(resolved)));
};

/** The keys that each changeset of the outbox created, by version. */
const outboxOf = async (store: Store): Promise<Map<number, string[]>> => {
  const { written } = await firstValueFrom(store.outbox$);
  const created = new Map<number, string[]>();
  while (created.size < written) {
    const changesets = await firstValueFrom(store.uploads(created.size, NEVER));
    for (const { version, body } of changesets) {
      const operations = decodeOperations(body);
      created.set(version, isLeft(operations) ? [] : operations.right.map(({ key }) => String(key)));
    }
  }
  return created;
};

describe('a store on LevelDB', () => {
  it('restores everything when it is opened again, and allows one opener at a time', async () => {
    const storagePath = fresh();
    const store = await openedAt(storagePath);
    await Promise.all(
      Array.from({ length: 300 }, (_, id) => createTask(store, { ...milk, id: `ü/${id}`, due: new Date(id) })),
    );
    const values = { ...milk, id: 'remote', due: null, votes: null };
    await waitUntilDone(store.integrate(createPage(3, [{ kind: 'create', type: 'Task', key: 'remote', values }])));
    await waitUntilDone(store.acknowledge(100));
    await waitUntilDone(store.adopt('history'));
    const sorted = { sort: { id: 1 } };
    const before = await Promise.all([
      firstValueFrom(store.objects$('Task', sorted)),
      identityOf(store),
      firstValueFrom(store.outbox$),
    ]);
    await expect(openedAt(storagePath)).rejects.toThrow(/in use/);
    await waitUntilDone(store.close());
    const again = await openedAt(storagePath);
    const after = await Promise.all([
      firstValueFrom(again.objects$('Task', sorted)),
      identityOf(again),
      firstValueFrom(again.outbox$),
    ]);
    expect(after).toEqual(before);
    expect(after[0]).toHaveLength(301);
    expect(after[1]).toMatchObject({ downloadedTo: 3, acknowledged: 100, history: 'history' });
    await waitUntilDone(again.close());
  });

  it('finishes pending commits before it closes', async () => {
    const storagePath = fresh();
    const store = await openedAt(storagePath);
    const writes = Array.from({ length: 50 }, (_, id) => createTask(store, { ...milk, id: `${id}` }));
    await waitUntilDone(store.close());
    await Promise.all(writes);
    const again = await openedAt(storagePath);
    expect(await firstValueFrom(again.objects$('Task'))).toHaveLength(50);
    await waitUntilDone(again.close());
  });

  it('has every write that was reported before its process was killed, with its changeset, and no partial write', async () => {
    for (const goal of [1, 30, 200, 400].map((most) => most + Math.floor(Math.random() * most))) {
      const storagePath = fresh();
      const resolved = await resolvedBefore(goal, storagePath);
      expect(resolved.length).toBeGreaterThanOrEqual(goal);
      const store = await openedAt(storagePath);
      const outbox = await outboxOf(store);
      const tasks = await firstValueFrom(store.objects$('Task'));
      expect(new Set(tasks.map(({ id }) => id))).toEqual(new Set([...outbox.values()].flat()));
      for (const keys of outbox.values()) expect(keys).toEqual([`a${keys[0]?.slice(1)}`, `b${keys[0]?.slice(1)}`]);
      for (const [votes, version] of resolved) expect(outbox.get(version)).toEqual([`a${votes}`, `b${votes}`]);
      await waitUntilDone(store.close());
    }
  }, 30_000);
});
