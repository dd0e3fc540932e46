import { builtinModules } from 'node:module';
import { gzipSync } from 'node:zlib';
import { bundleLimits } from '../../scripts/bundle-limits.js';
import { useBuiltLibrary } from '../server/server-process.js';
import { createBundle, type Bundle } from './create-bundle.js';

const everything = `export * from '../../lib/index.js';`;
const local = `export { openRealm } from '../../lib/index.js';`;

const filesOf = ({ metafile }: Bundle) => Object.keys(metafile.inputs);
/** The files of which code is in the bundle. */
const usedFilesOf = ({ metafile }: Bundle) =>
  Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [file] : [])),
  );
const kilobytes = ({ code }: Bundle) => gzipSync(code, { level: 9 }).length / 1_000;

describe('the library in a bundle for browsers', () => {
  const library = useBuiltLibrary();

  it('contains IndexedDB, but no LevelDB, no module of Node and no `ws`, whether or not they are installed', async () => {
    const bundle = await createBundle(everything, [], library);
    const files = filesOf(bundle);
    for (const expected of ['/storage/browser-storage.js', '/storage/indexeddb.js']) {
      expect(files).toContainEqual(expect.stringContaining(expected));
    }
    const unwanted =
      /classic-level|node_modules\/abstract-level\/|storage\/(level|node-storage)\.js|\/server\/|node_modules\/ws\//;
    // A module that the bundler replaced by an empty one is listed as `(disabled):…`.
    expect(files.filter((file) => unwanted.test(file) && !file.startsWith('(disabled):'))).toEqual([]);
    const asked = Object.values(bundle.metafile.inputs).flatMap(({ imports }) => imports);
    expect(asked.filter(({ path }) => path.startsWith('node:') || builtinModules.includes(path))).toEqual([]);
    expect(Object.values(bundle.metafile.outputs).flatMap(({ imports }) => imports)).toEqual([]);
  });

  it('contains no code of sessions, exports and imports in an app that only opens local realms', async () => {
    const files = usedFilesOf(await createBundle(local, ['rxjs'], library));
    expect(files).toContainEqual(expect.stringContaining('/store/store.js'));
    const unused =
      /\/(session|protocol|transport)\/|\/client\/(client-core|sync-|synced-)|sync-api|apply-|rollback|clock-corr|export|import/;
    expect(files.filter((file) => unused.test(file))).toEqual([]);
  });

  it('is not larger than its limit', async () => {
    const [realm, all] = [
      await createBundle(local, ['rxjs'], library),
      await createBundle(everything, ['rxjs'], library),
    ];
    const sizes = { realm: kilobytes(realm), all: kilobytes(all) };
    const shown = (one: Bundle) => `${(one.code.length / 1_000).toFixed(1)} kB, ${kilobytes(one).toFixed(1)} kB gzip`;
    process.stdout.write(`bundle without RxJS: openRealm ${shown(realm)}; everything ${shown(all)}\n`);
    expect(sizes.realm).toBeLessThan(bundleLimits.openRealm);
    expect(sizes.all).toBeLessThan(bundleLimits.everything);
  });
});
