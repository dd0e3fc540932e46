import { defer, EMPTY, throwError } from 'rxjs';
import type { Storage, StorageEntry } from '../storage/storage.js';
import { createDelete, createPut, createPuts, writeBatch, type StorageTest } from './storage-fixtures.js';
import { allOf, assertSame, assertStorageError, errorOf } from './suite-assertions.js';

const copyOf = (storage: Storage): Storage['copy'] & object => {
  if (storage.copy) return storage.copy;
  throw new Error('Defect: this storage has no `copy`.');
};

/** The tests of the optional `copy` of a storage. */
export const copyTests: Readonly<Record<string, StorageTest>> = {
  'copies the present entries, in order and page by page, and none that are written meanwhile': async (storage) => {
    await writeBatch(storage, createPuts(2_500));
    const pages: string[][] = [];
    const onPage = (entries: readonly StorageEntry[]) =>
      defer(async () => {
        pages.push(entries.map(([key]) => key));
        await writeBatch(storage, [
          createPut('a', pages.length),
          createPut('z', pages.length),
          createDelete('k002499'),
        ]);
      });
    assertSame('emissions', await allOf(copyOf(storage)(onPage)), []);
    assertSame(
      'keys',
      pages.flat(),
      createPuts(2_500).map(({ key }) => key),
    );
    assertSame(
      '"there are several pages, none of them empty"',
      pages.length > 1 && pages.every(({ length }) => length > 0),
      true,
    );
  },

  'stops a copy with the error of its consumer': async (storage) => {
    await writeBatch(storage, createPuts(2_500));
    let pages = 0;
    const broken = () => throwError(() => new Error(`page ${++pages}`));
    assertSame('error', ((await errorOf('a copy', () => copyOf(storage)(broken))) as Error).message, 'page 1');
  },

  'errors instead of copying when it is closed': async (storage) => {
    await allOf(storage.close());
    await assertStorageError('a copy', () => copyOf(storage)(() => EMPTY));
  },
};
