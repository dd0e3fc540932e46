import { defer, EMPTY, firstValueFrom, merge, of, take, throwError } from 'rxjs';
import { StorageError } from '../model/errors.js';
import type { OpenStorage, Storage, StorageChange, StorageEntry, StorageRange } from '../storage/storage.js';
import { allOf, errorOf, globalRunner, same, type SuiteRunner } from './assertions.js';

const put = (key: string, ...bytes: readonly number[]): StorageChange => ({
  type: 'put',
  key,
  value: Uint8Array.from(bytes),
});
const del = (key: string): StorageChange => ({ type: 'del', key });
const numbered = (count: number): StorageChange[] =>
  Array.from({ length: count }, (_, at) => put(`k${String(at).padStart(6, '0')}`, at % 256, at >> 8));

const everything: StorageRange = { from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity };

const read = async (storage: Storage, range: Partial<StorageRange> = {}): Promise<readonly StorageEntry[]> => {
  const [entries = [], ...more] = await allOf(storage.range({ ...everything, ...range }));
  same('emissions after the first of a range', more.length, 0);
  return entries;
};
const keys = async (storage: Storage, range: Partial<StorageRange> = {}): Promise<string[]> =>
  (await read(storage, range)).map(([key]) => key);
const contents = async (storage: Storage): Promise<[string, number[]][]> =>
  (await read(storage)).map(([key, value]) => [key, [...value]]);

const write = async (storage: Storage, changes: readonly StorageChange[], durable = false): Promise<void> => {
  same('emissions of a batch', await allOf(storage.batch(changes, { durable })), []);
};

const refused = async (what: string, described: () => ReturnType<Storage['range' | 'batch']>): Promise<void> => {
  const thrown = await errorOf(what, described);
  same(`${what} errors with a StorageError`, thrown instanceof StorageError, true);
};

/** One test of the suite, on a new and empty storage that is closed afterwards. Rejects with what is wrong. */
export type StorageTest = (storage: Storage) => Promise<void>;

const ranges: Readonly<Record<string, StorageTest>> = {
  'is empty at first': async (storage) => same('entries', await contents(storage), []),

  'reads in the order of the codes of its keys': async (storage) => {
    await write(
      storage,
      ['b', 'a', 'B', '~', ' ', 'a0', '10', '9', 'a!'].map((key) => put(key, 1)),
    );
    same('keys', await keys(storage), [' ', '10', '9', 'B', 'a', 'a!', 'a0', 'b', '~']);
  },

  'takes the first key of a range and leaves the last': async (storage) => {
    await write(storage, numbered(5));
    same('keys', await keys(storage, { from: 'k000001', to: 'k000003' }), ['k000001', 'k000002']);
  },

  'emits an empty range': async (storage) => {
    await write(storage, numbered(3));
    same('between two keys', await allOf(storage.range({ ...everything, from: 'k000000a', to: 'k000000b' })), [[]]);
    same('a range of nothing', await keys(storage, { from: 'k000001', to: 'k000001' }), []);
    same('a range that is upside down', await keys(storage, { from: 'k000002', to: 'k000000' }), []);
    same('a limit of nothing', await keys(storage, { limit: 0 }), []);
  },

  'ends a range at its limit': async (storage) => {
    await write(storage, numbered(10));
    same('keys', await keys(storage, { from: 'k000002', limit: 3 }), ['k000002', 'k000003', 'k000004']);
  },

  'ends a range after the entry that reaches its bytes, and never before the first': async (storage) => {
    await write(storage, [put('a', 1, 2, 3), put('b', 4, 5, 6), put('c', 7, 8, 9)]);
    same('1 byte', await keys(storage, { bytesMax: 1 }), ['a']);
    same('3 bytes', await keys(storage, { bytesMax: 3 }), ['a']);
    same('4 bytes', await keys(storage, { bytesMax: 4 }), ['a', 'b']);
    same('9 bytes', await keys(storage, { bytesMax: 9 }), ['a', 'b', 'c']);
  },

  'reads backwards, with limit and bytes counted from the end': async (storage) => {
    await write(storage, numbered(5));
    same('all', await keys(storage, { reverse: true, to: 'k000003' }), ['k000002', 'k000001', 'k000000']);
    same('limit', await keys(storage, { reverse: true, limit: 1 }), ['k000004']);
    same('bytes', await keys(storage, { reverse: true, bytesMax: 3 }), ['k000004', 'k000003']);
  },

  'reads long ranges whole and in order': async (storage) => {
    await write(storage, numbered(5_000).reverse());
    const found = await read(storage);
    same('entries', found.length, 5_000);
    same(
      'keys',
      found.every(([key], at) => key === `k${String(at).padStart(6, '0')}`),
      true,
    );
  },

  'works once for every subscription': async (storage) => {
    const range$ = storage.range(everything);
    await write(storage, [put('a', 1)]);
    same('after one batch', (await firstValueFrom(range$)).length, 1);
    await write(storage, [put('b', 1)]);
    same('after two', (await firstValueFrom(range$)).length, 2);
  },
};

const batches: Readonly<Record<string, StorageTest>> = {
  'keeps bytes as they are': async (storage) => {
    await write(storage, [put('all', ...Array.from({ length: 256 }, (_, byte) => byte)), put('none')]);
    same(
      'values',
      (await contents(storage)).map(([, value]) => value),
      [Array.from({ length: 256 }, (_, byte) => byte), []],
    );
  },

  'takes the changes of a batch in their order': async (storage) => {
    await write(storage, [put('a', 1), put('b', 1), del('a'), put('b', 2), del('c'), put('c', 3)]);
    same('entries', await contents(storage), [
      ['b', [2]],
      ['c', [3]],
    ]);
  },

  'overwrites, deletes, and minds no key that is not there': async (storage) => {
    await write(storage, [put('a', 1), put('b', 1)]);
    await write(storage, [put('a', 2), del('b'), del('nothing')]);
    same('entries', await contents(storage), [['a', [2]]]);
    await write(storage, [put('b', 3)]);
    same('a key that came back', await contents(storage), [
      ['a', [2]],
      ['b', [3]],
    ]);
  },

  'forgets what was deleted, however much, until it comes back': async (storage) => {
    const all = numbered(1_000);
    await write(storage, all);
    await write(
      storage,
      all.slice(10).map(({ key }) => del(key)),
    );
    same('what is left', (await keys(storage)).length, 10);
    await write(storage, all);
    same('what came back', (await keys(storage)).length, 1_000);
  },

  'takes batches in the order of their subscriptions, durable or not': async (storage) => {
    const rounds = Array.from({ length: 50 }, (_, at) =>
      storage.batch([put('last', at), put(`k${at}`, at)], { durable: at % 3 === 0 }),
    );
    await allOf(merge(...rounds));
    same('last', (await contents(storage)).at(-1), ['last', [49]]);
    same('keys', (await keys(storage)).length, 51);
  },

  'shows a batch to whoever reads after it completed': async (storage) => {
    for (const durable of [false, true]) {
      await write(storage, [put('a', durable ? 1 : 0)], durable);
      same('entries', await contents(storage), [['a', [durable ? 1 : 0]]]);
    }
  },

  'does nothing until subscribed, and all of it when nobody waits': async (storage) => {
    const batch$ = storage.batch([put('a', 1)], { durable: false });
    same('before', await contents(storage), []);
    await allOf(merge(batch$, of('let go')).pipe(take(1)));
    await write(storage, [put('b', 2)]);
    same('keys', await keys(storage), ['a', 'b']);
  },

  'completes a batch of nothing': (storage) => write(storage, [], true),

  'refuses a batch for one key that is none, and does nothing of it': async (storage) => {
    for (const key of ['', 'ä', 'a\n', '\x7f', 'x'.repeat(2_049)]) {
      for (const wrong of [put(key, 1), del(key)]) {
        await refused(JSON.stringify(key.slice(0, 20)), () =>
          storage.batch([put('a', 1), wrong, put('b', 1)], { durable: false }),
        );
      }
    }
    same('entries', await contents(storage), []);
  },

  'refuses a batch for one value that is no bytes, and does nothing of it': async (storage) => {
    const wrong = { type: 'put', key: 'b', value: 'text' } as unknown as StorageChange;
    await refused('text', () => storage.batch([put('a', 1), wrong], { durable: false }));
    same('entries', await contents(storage), []);
  },

  'spares the neighbours of a batch that is refused': async (storage) => {
    const good$ = storage.batch([put('a', 1)], { durable: false });
    const bad$ = storage.batch([put('', 1)], { durable: false });
    await Promise.allSettled([allOf(bad$), allOf(good$), allOf(bad$)]);
    same('keys', await keys(storage), ['a']);
  },
};

const closing: Readonly<Record<string, StorageTest>> = {
  'errors after it was closed': async (storage) => {
    const ready$ = storage.batch([put('a', 1)], { durable: false });
    await allOf(storage.close());
    await refused('a range', () => storage.range(everything));
    await refused('a batch', () => storage.batch([put('a', 1)], { durable: true }));
    await refused('a batch that was described before', () => ready$);
  },

  'closes again without a word': async (storage) => {
    same('emissions', [await allOf(storage.close()), await allOf(storage.close())], [[], []]);
  },

  'finishes what is under way before it is closed': async (storage) => {
    await write(storage, numbered(2_000));
    const underWay = [read(storage), write(storage, numbered(2_000), true)] as const;
    const [entries] = await Promise.all([...underWay, allOf(storage.close())]);
    same('entries', entries.length, 2_000);
  },
};

const copied = (storage: Storage): Storage['copy'] & object => {
  if (storage.copy) return storage.copy;
  throw new Error('defect: asked of a storage that cannot');
};

/** Only of a storage that has `copy`. */
const copying: Readonly<Record<string, StorageTest>> = {
  'copies what is there, in order and page by page, and nothing that comes meanwhile': async (storage) => {
    await write(storage, numbered(2_500));
    const pages: string[][] = [];
    const taken = (entries: readonly StorageEntry[]) =>
      defer(async () => {
        pages.push(entries.map(([key]) => key));
        await write(storage, [put('a', pages.length), put('z', pages.length), del('k002499')]);
      });
    same('emissions', await allOf(copied(storage)(taken)), []);
    same(
      'keys',
      pages.flat(),
      numbered(2_500).map(({ key }) => key),
    );
    same(
      'pages are more than one, and none is empty',
      pages.length > 1 && pages.every(({ length }) => length > 0),
      true,
    );
  },

  'stops a copy with the error of whoever takes it': async (storage) => {
    await write(storage, numbered(2_500));
    let pages = 0;
    const broken = () => throwError(() => new Error(`page ${++pages}`));
    same('error', ((await errorOf('a copy', () => copied(storage)(broken))) as Error).message, 'page 1');
  },

  'refuses to copy when it is closed': async (storage) => {
    await allOf(storage.close());
    await refused('a copy', () => copied(storage)(() => EMPTY));
  },
};

/** The suite as data, each by its title: for a runner that is elsewhere, like the one of `spec/browser`. */
export const storageTests: Readonly<Record<string, StorageTest>> = { ...ranges, ...batches, ...closing };

/** Opens a storage, tries it and closes it. */
export const tried = async (open: OpenStorage, test: StorageTest): Promise<void> => {
  const storage = await firstValueFrom(open);
  try {
    await test(storage);
  } finally {
    await allOf(storage.close());
  }
};

/**
 * What every storage must do. Call it in a spec of your own with a stream that opens a new and empty one for each
 * subscription; each is closed when its test is over. `has` says whether it has the optional `copy`; `runner` is given where `describe` and `it` are no globals.
 */
export const storageSuite = (
  name: string,
  open: OpenStorage,
  has: 'copy' | 'no copy' = 'no copy',
  { describe, it }: SuiteRunner = globalRunner(),
): void => {
  describe(name, () => {
    for (const [title, test] of Object.entries(storageTests)) it(title, () => tried(open, test));
    if (has === 'copy') for (const [title, test] of Object.entries(copying)) it(title, () => tried(open, test));
  });
};
