import { defer, finalize, firstValueFrom, from, lastValueFrom, switchMap } from 'rxjs';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { bytesOf } from '../../../lib/model/changeset.js';
import { openHistory } from '../../../lib/server/history/storage-history.js';
import type { History } from '../../../lib/server/history/history.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { Storage } from '../../../lib/storage/storage.js';
import { createFaultyStorage } from '../test-kit.js';

const clock = { random: () => 0 };
const nothing = { defaultValue: undefined };
const large = 'x'.repeat(1_200_000);
const many = 20;
const texts = Array.from({ length: many }, (_, key) => `Note/n${key}`);

/** Creates a storage that records its largest batch, and the number of objects read since the last one. */
const watched = () => {
  const inner = memoryStorage();
  const found = { bytesMax: 0, readsMax: 0 };
  let reads = 0;
  const storage: Storage = {
    ...inner,
    range: (range) =>
      defer(() => {
        if (range.from.includes('/object/')) found.readsMax = Math.max(found.readsMax, (reads += 1));
        return inner.range(range);
      }),
    batch: (changes, options) =>
      defer(() => {
        reads = 0;
        const bytes = changes.reduce((sum, each) => sum + (each.type === 'put' ? each.value.byteLength : 0), 0);
        found.bytesMax = Math.max(found.bytesMax, bytes);
        return inner.batch(changes, options);
      }),
  };
  return { storage, found };
};

const append = async (history: History, ...transactions: (readonly Operation[])[]): Promise<void> => {
  for (const operations of transactions) {
    const [body, version] = [encodeOperations(operations), history.log.head + 1];
    const changeset = { version, origin: 'a', time: version, count: 0, body, total: history.bytes + bytesOf({ body }) };
    const rest = { replicas: new Map(), rejected: [], runs: [] };
    await lastValueFrom(history.append({ after: version - 1, changesets: [changeset], ...rest }), nothing);
  }
};
const advance = async ({ log, projection }: History): Promise<void> => {
  while (projection.cursor.version < log.head) {
    const page = await firstValueFrom(log.page(projection.cursor.version));
    await lastValueFrom(projection.advance(page), nothing);
  }
};
const opened = (storage: Storage): Promise<History> => firstValueFrom(openHistory(storage, 'team', clock));

const filled = async (storage: Storage): Promise<History> => {
  const history = await opened(storage);
  for (let key = 0; key < many; key += 1)
    await append(history, [{ kind: 'create', type: 'Note', key, values: { text: large } }]);
  await advance(history);
  const touched = texts.map((_, key): Operation => ({ kind: 'update', type: 'Note', key, values: { touched: true } }));
  await append(history, [...touched, { kind: 'create', type: 'Note', key: 'new', values: {} }]);
  return history;
};
const touchedIn = async ({ projection }: History): Promise<number> => {
  const states = await firstValueFrom(projection.readStates(texts));
  return [...states.values()].filter(({ values }) => values['touched'] === true).length;
};

describe('a transaction that touches many large objects', () => {
  it('field report E-2: is handled piece by piece: its objects are never all in memory', async () => {
    const { storage, found } = watched();
    const history = await filled(storage);
    Object.assign(found, { bytesMax: 0, readsMax: 0 });
    await advance(history);
    expect(await touchedIn(history)).toBe(many);
    expect(found.bytesMax).toBeLessThan(8 * 1024 * 1024);
    expect(found.readsMax).toBeLessThanOrEqual(many);
    expect(history.projection.cursor).toMatchObject({ version: many + 1, objects: many + 1 });
  });

  it('field report E-2: is checked with one object read at a time', async () => {
    const inner = memoryStorage();
    const [now, most] = [{ reads: 0 }, { reads: 0 }];
    const slow: Storage = {
      ...inner,
      range: (range) => {
        if (!range.from.includes('/object/')) return inner.range(range);
        return defer(() => {
          now.reads += 1;
          most.reads = Math.max(most.reads, now.reads);
          return from(Promise.resolve()).pipe(switchMap(() => inner.range(range)));
        }).pipe(finalize(() => (now.reads -= 1)));
      },
    };
    const history = await filled(slow);
    await advance(history);
    most.reads = 0;
    expect(await touchedIn(history)).toBe(many);
    expect(most.reads).toBe(1);
    await firstValueFrom(history.projection.readStates(Array.from({ length: 100 }, (_, at) => `Note/sother-${at}`)));
    expect(most.reads).toBe(8);
  });

  it.each(['the disk has failed', 'the server was killed'])(
    'is handled to its end after %s in the middle',
    async (what) => {
      const storage = createFaultyStorage();
      const history = await filled(storage);
      const { bytes } = history.projection.cursor;
      let batches = 0;
      const failing: Storage = {
        ...storage,
        batch: (...given) => {
          batches += 1;
          if (batches === 2) storage.fail(true);
          return storage.batch(...given);
        },
      };
      const first = await opened(failing);
      await expect(advance(first)).rejects.toThrow('the disk is full');
      storage.fail(false);
      const again = what === 'the disk has failed' ? first : await opened(storage);
      const some = await touchedIn(again);
      expect([some > 0, some < many, again.projection.cursor.version]).toEqual([true, true, many]);
      await advance(again);
      for (const one of [again, await opened(storage)]) {
        expect(await touchedIn(one)).toBe(many);
        expect(one.projection.cursor).toMatchObject({ version: many + 1, objects: many + 1 });
        expect(one.projection.cursor.bytes).toBeGreaterThan(bytes);
      }
    },
  );
});
