import { ClassicLevel } from 'classic-level';
import { concat, defer, ignoreElements, map, of, switchMap } from 'rxjs';
import { abstractLevelStorage } from '../../lib/storage/abstract-level.js';
import { levelStorage } from '../../lib/storage/level.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { createPrefixedStorage } from '../../lib/storage/prefixed-storage.js';
import type { OpenStorage } from '../../lib/storage/storage.js';
import { wrapStorage } from '../../lib/storage/wrap-storage.js';
import { storageSuite } from '../../lib/testing/storage-suite.js';
import { createTemporaryFolders } from './temporary-folders.js';

const { fresh, remove } = createTemporaryFolders();
afterAll(remove);

const memory = defer(() => of(memoryStorage()));
const level = defer(() => levelStorage(fresh()));

/** A view between two others whose keys it must not contain. Closing it closes the storage under it. */
const between = (open: OpenStorage): OpenStorage =>
  open.pipe(
    switchMap((storage) => {
      const neighbours = ['a', 'm', 'n', 'z'].map((key) => ({ type: 'put' as const, key, value: Uint8Array.of(1) }));
      const view = createPrefixedStorage(storage, 'm/');
      const both = wrapStorage(view, { close: () => concat(view.close(), storage.close()) });
      return concat(storage.batch(neighbours, { durable: false }).pipe(ignoreElements()), of(both));
    }),
  );

storageSuite('memory storage', memory, 'copy');
storageSuite('LevelDB storage', level, 'copy');
storageSuite(
  'storage on an abstract-level database of the app, whatever its encodings',
  defer(() => abstractLevelStorage(new ClassicLevel<string, unknown>(fresh(), { valueEncoding: 'json' }))),
);
storageSuite('prefixed view of a memory storage', between(memory));
storageSuite('prefixed view of a LevelDB storage', between(level));
storageSuite(
  'prefixed view of a prefixed view',
  between(memory.pipe(map((storage) => createPrefixedStorage(storage, 'outer/')))),
);
