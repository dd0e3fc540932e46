/*
 * npm run bench -- store: the cost of a realm on its device, compared with the same bytes in raw LevelDB and the same
 * objects in a `Map`. One process, no server. Each figure has a limit; over it, the run exits with 1.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ClassicLevel } from 'classic-level';
import { memoryStorage, openRealm, type Realm } from 'tidemark';

export const taskSchema = {
  Task: {
    primaryKey: 'id',
    properties: { id: 'string', title: 'string', done: 'bool', due: 'date?', votes: 'int?' },
  },
} as const;
type Tasks = Realm<typeof taskSchema>;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

export const task = (n: number) => ({
  id: `task-${String(n).padStart(6, '0')}`,
  title: `A task that is to be done, number ${n}`,
  done: n % 2 === 0,
  due: new Date(1_700_000_000_000 + n),
  votes: n % 100,
});

const ms = async (work: () => Promise<unknown>): Promise<number> => {
  const before = performance.now();
  await work();
  return performance.now() - before;
};

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;

/** The median of some rounds. The first round warms up and does not count. */
const medianOfRounds = async (count: number, play: (round: number) => Promise<number>): Promise<number> => {
  const all: number[] = [];
  for (let round = 0; round <= count; round += 1) {
    const value = await play(round);
    if (round > 0) all.push(value);
  }
  return median(all);
};

export const fill = async (realm: Tasks, count: number): Promise<void> => {
  for (let from = 0; from < count; from += 1_000) {
    await realm.write((tx) => {
      for (let n = from; n < Math.min(from + 1_000, count); n += 1) tx.create('Task', task(n));
    });
  }
};

/** Writes a number of objects at a time and awaits each write, as a busy app does. */
const writeConcurrently = async (
  count: number,
  atOnce: number,
  write: (n: number) => Promise<unknown>,
): Promise<void> => {
  let next = 0;
  const writer = async (): Promise<void> => {
    while (next < count) await write(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, writer));
};

interface Figure {
  readonly name: string;
  readonly ours: number;
  readonly raw: number;
  readonly bound: string;
  readonly holds: boolean;
}

const atMostTimes = (name: string, most: number, ours: number, raw: number): Figure => ({
  name,
  ours,
  raw,
  bound: `at most ${most} times`,
  holds: ours / raw <= most,
});
const atLeast = (name: string, least: number, ours: number, raw: number): Figure => ({
  name,
  ours,
  raw,
  bound: `at least ${least}`,
  holds: ours >= least,
});

/** The least bytes of a stored object of the schema above. */
const objectBytesMin = 50;

/** Milliseconds to read all of a database. Throws if it has fewer bytes than these objects need. */
const readDatabase = (location: string, count: number): Promise<number> =>
  ms(async () => {
    const db = new ClassicLevel<string, Uint8Array>(location, { valueEncoding: 'view' });
    await db.open();
    const iterator = db.iterator({ gte: ' ', lt: '~~' });
    let bytes = 0;
    for (let page = await iterator.nextv(5_000); page.length > 0; page = await iterator.nextv(5_000))
      for (const [, value] of page) bytes += value.byteLength;
    if (bytes < count * objectBytesMin) throw new Error(`${bytes} bytes for ${count} objects`);
    await iterator.close();
    await db.close();
  });

/** Writes a record for each object, as text of JSON. */
const writeRecords = async (location: string, count: number): Promise<void> => {
  const db = new ClassicLevel<string, Uint8Array>(location, { valueEncoding: 'view' });
  await db.open();
  for (let from = 0; from < count; from += 1_000) {
    const puts = Array.from({ length: Math.min(1_000, count - from) }, (_, at) => {
      const each = task(from + at);
      return { type: 'put', key: each.id, value: new TextEncoder().encode(JSON.stringify(each)) } as const;
    });
    await db.batch(puts);
  }
  await db.close();
};

/** Milliseconds to open objects, to read the same bytes, and to read a database with a record for each object. */
export const measureOpening = async (
  folder: string,
  count: number,
  times: number,
): Promise<[ours: number, sameBytes: number, records: number]> => {
  const location = join(folder, 'opened');
  const realm = await openRealm({ schema: taskSchema, storage: location });
  await fill(realm, count);
  await realm.close();
  const ours = await medianOfRounds(times, () =>
    ms(async () => {
      const opened = await openRealm({ schema: taskSchema, storage: location });
      if (opened.get('Task', task(count - 1).id) === undefined) throw new Error('it is not all there');
      await opened.close();
    }),
  );
  const sameBytes = await medianOfRounds(times, () => readDatabase(location, count));
  const records = join(folder, 'records');
  await writeRecords(records, count);
  return [ours, sameBytes, await medianOfRounds(times, () => readDatabase(records, count))];
};

const benchOpening = async (folder: string, count: number, times: number): Promise<Figure> => {
  const [ours, , records] = await measureOpening(folder, count, times);
  return atMostTimes(`opening ${count} objects, beside reading a record for each, ms`, 1.5, ours, records);
};

const benchInMemory = async (count: number, times: number): Promise<Figure> => {
  const perSecond = async (): Promise<number> => {
    const realm = await openRealm({ schema: taskSchema, storage: memoryStorage() });
    const spent = await ms(() => writeConcurrently(count, 64, (n) => realm.write((tx) => tx.create('Task', task(n)))));
    await realm.close();
    return (count / spent) * 1_000;
  };
  const map = new Map<string, unknown>();
  const raw = await medianOfRounds(times, async () => {
    const spent = await ms(() =>
      writeConcurrently(count, 64, async (n) => Promise.resolve(map.set(task(n).id, task(n)))),
    );
    return (count / spent) * 1_000;
  });
  return atLeast('transactions a second in memory, beside a Map', 50_000, await medianOfRounds(times, perSecond), raw);
};

const benchDurable = async (folder: string, count: number, times: number): Promise<Figure> => {
  const ours = await medianOfRounds(times, async (round) => {
    const realm = await openRealm({ schema: taskSchema, storage: join(folder, `durable-${round}`) });
    const spent = await ms(() => writeConcurrently(count, 256, (n) => realm.write((tx) => tx.create('Task', task(n)))));
    await realm.close();
    return (count / spent) * 1_000;
  });
  // The same guarantee without the library: writes during a batch go together into the next synced batch.
  const raw = await medianOfRounds(times, async (round) => {
    const db = new ClassicLevel<string, string>(join(folder, `raw-${round}`));
    await db.open();
    let waiting: { readonly put: { type: 'put'; key: string; value: string }; readonly done: () => void }[] = [];
    let busy = false;
    const flush = async (): Promise<void> => {
      busy = true;
      while (waiting.length > 0) {
        const batch = waiting;
        waiting = [];
        await db.batch(
          batch.map(({ put }) => put),
          { sync: true },
        );
        for (const { done } of batch) done();
      }
      busy = false;
    };
    const put = (n: number): Promise<void> =>
      new Promise((done) => {
        waiting.push({ put: { type: 'put', key: task(n).id, value: JSON.stringify(task(n)) }, done });
        if (!busy) void flush();
      });
    const spent = await ms(() => writeConcurrently(count, 256, put));
    await db.close();
    return (count / spent) * 1_000;
  });
  return atLeast('durable transactions a second, beside synced LevelDB batches', 10_000, ours, raw);
};

/** Commits one after the other and awaits each, when live queries have emitted: in memory this is only the work. */
const benchLiveQuery = async (count: number, commits: number): Promise<Figure> => {
  const realm = await openRealm({ schema: taskSchema, storage: memoryStorage() });
  await fill(realm, count);
  const query = realm.objects$('Task', { where: { done: false }, sort: { votes: -1, title: 1 }, limit: 50 });
  let emissions = 0;
  const each = async (from: number): Promise<number> => {
    const spent: number[] = [];
    for (let n = 0; n < commits; n += 1) {
      const { id } = task(((from + n) * 7_919) % count);
      spent.push(
        await ms(() =>
          realm.write((tx) => {
            tx.update('Task', id, { votes: 1_000 + from + n, done: false });
          }),
        ),
      );
    }
    return median(spent.slice(commits / 5));
  };
  const raw = await each(0);
  const watching = query.subscribe(() => (emissions += 1));
  const ours = await each(commits);
  watching.unsubscribe();
  await realm.close();
  if (emissions !== commits + 1) throw new Error(`${emissions} emissions of ${commits} commits`);
  const name = `a commit under a live query of ${count} objects, beside one without, ms`;
  return { name, ours, raw, bound: 'at most 0.2 ms', holds: ours <= 0.2 };
};

/** Bytes in use after garbage collection, which takes several event-loop turns. */
export const usedBytes = async (): Promise<number> => {
  let last = Infinity;
  for (let turn = 0; turn < 50; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    const used = heapUsed + arrayBuffers;
    if (Math.abs(last - used) < 10_000) return used;
    last = used;
  }
  throw new Error('memory does not settle');
};

const benchMemory = async (folder: string, count: number): Promise<Figure> => {
  const storage = join(folder, 'weighed');
  const filled = await openRealm({ schema: taskSchema, storage });
  await fill(filled, count);
  await filled.close();
  const before = await usedBytes();
  const realm = await openRealm({ schema: taskSchema, storage });
  const ours = ((await usedBytes()) - before) / count;
  const raw = Array.from({ length: 1_000 }, (_, n) => JSON.stringify(task(n)).length).reduce((a, b) => a + b) / 1_000;
  await realm.close();
  return atMostTimes('memory an object, beside its JSON, bytes', 3, ours, raw);
};

/** Runs everything, prints a table, and returns whether every limit held. */
export const benchStore = async (quick: boolean): Promise<boolean> => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  const many = (count: number): number => (quick ? count / 5 : count);
  const times = quick ? 2 : 5;
  try {
    const figures = [
      await benchOpening(folder, many(100_000), times),
      await benchInMemory(many(50_000), times),
      await benchDurable(folder, many(20_000), times),
      await benchLiveQuery(many(100_000), many(2_000)),
      await benchMemory(folder, many(100_000)),
    ];
    for (const { name, ours, raw, bound, holds } of figures) {
      const [left, right, ratio] = [ours, raw, ours / raw].map((value) => value.toFixed(value < 100 ? 2 : 0));
      console.log(`${name.padEnd(72)} ${left} : ${right} = ${ratio} (${bound})${holds ? '' : ' MISSED'}`);
    }
    return figures.every(({ holds }) => holds);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
