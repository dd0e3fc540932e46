import { firstValueFrom } from 'rxjs';
import { decodeChangeset } from '../../../lib/store/commit/outbox.js';
import { waitUntilDone, openStoreWith } from '../test-kit.js';

const schema = {
  Page: {
    primaryKey: 'id',
    properties: { id: 'string', steps: 'string[]', tags: 'string<>', sizes: 'int{}', title: 'string?' },
  },
} as const;

const count = 50_000;
const steps = Array.from({ length: count }, (_, at) => `step ${at}`);

const open = async (given: readonly string[] = steps) => {
  const store = openStoreWith(schema);
  await firstValueFrom(store.write((tx) => tx.create('Page', { id: 'p', steps: given })));
  return store;
};
type Store = Awaited<ReturnType<typeof open>>;
type Tx = Parameters<Parameters<Store['write']>[0]>[0];

/** CPU time of this process in milliseconds, independent of other processes. */
const cost = async (work: () => Promise<unknown>): Promise<number> => {
  const since = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1_000;
};

const timed = (store: Store, change: (tx: Tx) => void): Promise<number> =>
  cost(() => firstValueFrom(store.write(change)));

/** The changesets of a store as another device receives them. */
const pageOf = (store: Store) => {
  const changesets = (store.dump() ?? []).flatMap((change) =>
    change.type === 'put' && change.key.startsWith('u/e') ? [decodeChangeset(change.key, change.value)] : [],
  );
  let origin = '';
  store.greeting$.subscribe(({ replica }) => (origin = replica));
  return {
    changesets: changesets.map((changeset) => ({ ...changeset, origin })),
    upTo: changesets.length,
    bytes: 1,
    remainingBytes: 0,
  };
};

const list = (tx: Tx) => tx.list('Page', 'p', 'steps' as never);
const stepsOf = (store: Store): readonly string[] => store.get('Page', 'p')?.['steps'] as readonly string[];

describe('a large collection', () => {
  it('field report D-1: doubles in under a second, on the device that writes and on one that downloads', async () => {
    const store = await open();
    expect(await timed(store, (tx) => list(tx).push(...(steps as never[])))).toBeLessThan(1_000);
    expect(stepsOf(store)).toHaveLength(2 * count);
    const reader = openStoreWith(schema);
    const page = pageOf(store);
    expect(await cost(() => waitUntilDone(reader.integrate(page)))).toBeLessThan(2_000);
    expect(stepsOf(reader)).toEqual(stepsOf(store));
  });

  it.each<[string, (tx: Tx, at: number) => void]>([
    ['pushes', (tx, at) => list(tx).push(`more ${at}` as never)],
    ['inserts at the start', (tx, at) => list(tx).insert(0, `more ${at}` as never)],
    ['inserts in the middle', (tx, at) => list(tx).insert(10_000 + at, `more ${at}` as never)],
    ['moves', (tx, at) => list(tx).move(at, 20_000 - at)],
    ['replacements', (tx, at) => list(tx).set(7 * at, `other ${at}` as never)],
    ['removals', (tx, at) => list(tx).remove(3 * at)],
    [
      'removals after a move',
      (tx, at) => {
        list(tx).move(1, 3);
        list(tx).remove(3 * at);
      },
    ],
  ])(
    'field report D-1: accepts 4 000 %s in one transaction in time proportional to their number',
    async (_, change) => {
      const store = await open(steps.slice(0, 30_000));
      const elapsedMs = await timed(store, (tx) => {
        for (let at = 0; at < 4_000; at += 1) change(tx, at);
      });
      expect(elapsedMs).toBeLessThan(3_000);
      const reader = openStoreWith(schema);
      const page = pageOf(store);
      expect(await cost(() => waitUntilDone(reader.integrate(page)))).toBeLessThan(3_000);
      expect(stepsOf(reader)).toEqual(stepsOf(store));
    },
  );

  it('field report D-1: keeps unchanged collections of an object that is read between edits', async () => {
    const store = await open();
    const elapsedMs = await timed(store, (tx) => {
      tx.set('Page', 'p', 'tags' as never).add(...(steps.slice(0, 20_000) as never[]));
      const before = tx.get('Page', 'p') as { readonly steps: unknown; readonly tags: unknown };
      for (let at = 0; at < 2_000; at += 1) {
        tx.update('Page', 'p', { title: `${at}` });
        const now = tx.get('Page', 'p') as { readonly title: string } & typeof before;
        expect([now.title, now.steps === before.steps, now.tags === before.tags]).toEqual([`${at}`, true, true]);
        if (at % 10 === 0) expect(tx.objects('Page')[0]).toBe(now);
      }
      list(tx).push('last');
      const after = tx.get('Page', 'p') as { readonly steps: readonly string[] } & typeof before;
      expect([after.steps.at(-1), after.tags === before.tags]).toEqual(['last', true]);
    });
    expect(elapsedMs).toBeLessThan(2_000);
  });

  it('field report D-2: accepts 4 000 entries one by one, in addition to 4 000, in well under a second', async () => {
    const store = await open([]);
    for (const round of [0, 1]) {
      const elapsedMs = await timed(store, (tx) => {
        for (let at = 0; at < 4_000; at += 1) {
          tx.dictionary('Page', 'p', 'sizes' as never).set(`size ${round} ${at}`, at);
          tx.set('Page', 'p', 'tags' as never).add(`tag ${round} ${at}` as never);
        }
      });
      expect(elapsedMs).toBeLessThan(1_000);
    }
    const reader = openStoreWith(schema);
    const page = pageOf(store);
    expect(await cost(() => waitUntilDone(reader.integrate(page)))).toBeLessThan(3_000);
    expect(reader.get('Page', 'p')).toEqual(store.get('Page', 'p'));
  });

  it('does not change when its transaction throws', async () => {
    const store = await open(['a', 'b']);
    const before = stepsOf(store);
    await expect(
      timed(store, (tx) => {
        list(tx).push('c');
        list(tx).remove(0);
        list(tx).move(0, 1);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    await firstValueFrom(store.write((tx) => list(tx).push('d')));
    expect(before).toEqual(['a', 'b']);
    expect(stepsOf(store)).toEqual(['a', 'b', 'd']);
  });

  it('gives a reader inside a transaction a view that later edits do not change', async () => {
    const store = await open(['a', 'b', 'c']);
    const met: string[] = [];
    await firstValueFrom(
      store.write((tx) => {
        const read = (tx.get('Page', 'p') as unknown as { steps: readonly string[] }).steps;
        for (const step of read) {
          met.push(step);
          list(tx).remove(0);
          list(tx).push(`${step}${step}` as never);
        }
      }),
    );
    expect(met).toEqual(['a', 'b', 'c']);
    expect(stepsOf(store)).toEqual(['aa', 'bb', 'cc']);
  });
});
