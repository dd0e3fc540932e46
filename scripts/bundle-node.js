/*
 * Bundles the compiled library for Node: one file for each entry point in dist/node/, and files for the parts that several
 * share. Importing 140 small files took two and a half times the processor time. Bundlers for browsers use the small files
 * of dist/, of which they leave out more. Needs the compiled files in dist/.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** All files are in one folder, as deep as the folders of dist/: a file finds package.json by a relative path. */
const entryPoints = {
  index: 'index',
  server: 'server/index',
  testing: 'testing/index',
  inspector: 'inspector/index',
  cli: 'cli/main',
};
/** Maps fp-ts to the file that imports it, because the sources of fp-ts are not packed. */
const map = { version: 3, sources: ['../../../lib/model/result.ts'], names: [], mappings: 'AAAA' };
const mapComment = `\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`;

/** Bundles fp-ts, which has many more files than are needed. Its values are plain records, whichever copy makes them. */
const resolveImports = ({ onResolve, onLoad }) => {
  const fpTs = join(root, 'node_modules', 'fp-ts', 'es6', 'internal.js');
  onResolve({ filter: /^#fp-ts\// }, () => ({ path: fpTs }));
  onLoad({ filter: /fp-ts/ }, ({ path }) => ({ contents: readFileSync(path, 'utf8') + mapComment }));
  onResolve({ filter: /^#server\// }, ({ path }) => ({
    path: join(root, 'dist', 'server', 'node', `${path.slice(8)}.js`),
  }));
  onResolve({ filter: /^#storage$/ }, () => ({ path: join(root, 'dist', 'storage', 'node-storage.js') }));
};

await build({
  absWorkingDir: root,
  entryPoints: Object.entries(entryPoints).map(([out, file]) => ({ in: `dist/${file}.js`, out })),
  outdir: 'dist/node',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  ...{ bundle: true, splitting: true, sourcemap: true, sourcesContent: false, logLevel: 'warning' },
  packages: 'external',
  plugins: [{ name: 'imports of package.json', setup: resolveImports }],
  tsconfigRaw: {}, // The paths of tsconfig.json lead to the sources.
});
