/*
 * Packs the library and uses the package as an app would: in an empty folder with rxjs and ws, imported, required and
 * compiled against. Needs `dist/` (npm run build). Exits at the first error.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { packLibrary } from './pack-library.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const versionedNameOf = (name, folder = root) => `${name}@${manifestOf(join(folder, 'node_modules', name)).version}`;
const toolPath = (name) => join(root, 'node_modules', '.bin', name);

const printStep = (line) => console.log(`\n-- ${line}`);
const check = (holds, complaint) => {
  if (!holds) throw new Error(complaint);
};

const { name, exports: entries } = manifestOf(root);
const entryPoints = Object.keys(entries)
  .filter((path) => !path.endsWith('.json'))
  .map((path) => path.replace('.', name));

for (const { types, default: file } of Object.values(entries).filter((entryPoint) => typeof entryPoint === 'object')) {
  check(
    [types, file].every((path) => existsSync(join(root, path))),
    `${file} or ${types} is missing. Run npm run build first.`,
  );
}

const folder = mkdtempSync(join(tmpdir(), 'tidemark-package-'));
const run = (command, args, options = {}) => execFileSync(command, args, { cwd: folder, stdio: 'inherit', ...options });
const readOutput = (command, args, options = {}) =>
  run(command, args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', ...options });
const write = (file, text) => writeFileSync(join(folder, file), text);

/** Returns the names that an entry point exports to a module or to a CommonJS program. */
const namesIn = (entryPoint, kind) => {
  const load = kind === 'module' ? `await import('${entryPoint}')` : `require('${entryPoint}')`;
  const program = `console.log(JSON.stringify(Object.keys(${load}).filter((name) => name !== '__esModule').sort()))`;
  return JSON.parse(
    readOutput('node', ['--no-warnings=ExperimentalWarning', `--input-type=${kind}`, '--eval', program]),
  );
};

try {
  printStep('publint');
  run(toolPath('publint'), ['--strict'], { cwd: root });

  printStep('are the types wrong');
  run(toolPath('attw'), ['--pack', '.', '--profile', 'esm-only'], { cwd: root });

  printStep('tarball');
  const tarball = packLibrary(root, folder);
  const paths = tarball.files.map(({ path }) => path);
  const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(
    `${tarball.filename}: ${kB(tarball.size)} packed, ${kB(tarball.unpackedSize)} unpacked, ${paths.length} files`,
  );
  const unexpected = paths.filter(
    (path) =>
      !/^(dist\/.*\.(js|d\.ts)(\.map)?|(angular\/)?lib\/.*\.ts|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(
        path,
      ),
  );
  check(unexpected.length === 0, `the tarball has unexpected files: ${unexpected.join(', ')}`);
  for (const path of ['README.md', 'CHANGELOG.md', 'LICENSE']) check(paths.includes(path), `the tarball lacks ${path}`);

  printStep('an empty folder with the tarball, rxjs, ws and Angular');
  write('package.json', JSON.stringify({ name: 'app', version: '1.0.0', private: true }));
  const needs = [
    tarball.path,
    ...['rxjs', 'ws', '@types/node', '@types/ws'].map((each) => versionedNameOf(each)),
    versionedNameOf('@angular/core', join(root, 'angular')),
  ];
  run('npm', [
    'install',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    '--loglevel=error',
    '--prefer-offline',
    ...needs,
  ]);

  for (const entryPoint of entryPoints) {
    const [imported, required] = [namesIn(entryPoint, 'module'), namesIn(entryPoint, 'commonjs')];
    check(imported.length > 0, `${entryPoint} exports nothing`);
    check(
      JSON.stringify(imported) === JSON.stringify(required),
      `${entryPoint} exports other names when required: ${required.join(', ')}`,
    );
    console.log(`${entryPoint}: imported and required, ${imported.length} names: ${imported.join(', ')}`);
  }

  const imports = entryPoints.map((entryPoint, i) => `import * as entry${i} from '${entryPoint}';`).join('\n');
  const exported = `export const names: readonly string[] = [${entryPoints.map((_, i) => `...Object.keys(entry${i})`).join(', ')}];`;
  write(
    'app.mts',
    `${imports}\nimport { Observable } from 'rxjs';\n${exported}\nexport const never = new Observable<never>();\n`,
  );
  // Checks the published types themselves, as for a user without `skipLibCheck`.
  const strict = [
    '--noEmit',
    '--strict',
    '--exactOptionalPropertyTypes',
    '--skipLibCheck',
    'false',
    '--target',
    'ES2022',
  ];
  const platform = ['--lib', 'ES2022,DOM', '--types', 'node'];
  for (const [module, resolution] of [
    ['NodeNext', 'NodeNext'],
    ['ESNext', 'Bundler'],
  ]) {
    run(toolPath('tsc'), [...strict, ...platform, '--module', module, '--moduleResolution', resolution, 'app.mts']);
    console.log(`types: compiled with moduleResolution ${resolution}`);
  }

  printStep('the same without ws, which only the server and Node before 22 need');
  rmSync(join(folder, 'node_modules', 'ws'), { recursive: true });
  for (const entryPoint of entryPoints.filter((path) => !path.endsWith('/server'))) {
    check(namesIn(entryPoint, 'module').length > 0, `${entryPoint} exports nothing without ws`);
    console.log(`${entryPoint}: imported`);
  }

  printStep('and in a bundle for browsers');
  write('app.js', `import { openRealm } from '${name}';\nopenRealm({ schema: {}, storage: 'app' });\n`);
  const bundleArguments = [
    'app.js',
    '--bundle',
    '--minify',
    '--platform=browser',
    '--format=esm',
    '--outfile=bundle.js',
  ];
  run(toolPath('esbuild'), [...bundleArguments, '--metafile=bundle.json', '--log-level=warning']);
  const inputs = Object.keys(JSON.parse(readFileSync(join(folder, 'bundle.json'), 'utf8')).inputs);
  const nodeOnly = inputs.filter((path) => /classic-level|storage\/(level|node-storage)\.js/.test(path));
  check(nodeOnly.length === 0, `a bundle for browsers contains files that only Node can use: ${nodeOnly.join(', ')}`);
  check(
    inputs.some((path) => path.endsWith('storage/browser-storage.js')),
    'a bundle for browsers has no storage',
  );
  const bundle = readFileSync(join(folder, 'bundle.js'));
  console.log(`bundled with RxJS: ${kB(bundle.length)}, ${kB(gzipSync(bundle, { level: 9 }).length)} gzip`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
