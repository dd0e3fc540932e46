/*
 * Packs the library and uses the package as others would: in an empty folder, next to rxjs and ws, imported and
 * required, and compiled against. Needs `dist/` (npm run build). Exits with an error at the first thing that is wrong.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { packed } from './packed.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
const installed = (name) => `${name}@${manifestOf(join(root, 'node_modules', name)).version}`;
const tool = (name) => join(root, 'node_modules', '.bin', name);

const say = (line) => console.log(`\n-- ${line}`);
const check = (holds, complaint) => {
  if (!holds) throw new Error(complaint);
};

const { name, exports: offered } = manifestOf(root);
const doors = Object.keys(offered)
  .filter((path) => !path.endsWith('.json'))
  .map((path) => path.replace('.', name));

for (const { types, default: file } of Object.values(offered).filter((door) => typeof door === 'object')) {
  check(
    [types, file].every((path) => existsSync(join(root, path))),
    `${file} or ${types} is missing: npm run build`,
  );
}

const folder = mkdtempSync(join(tmpdir(), 'tidemark-package-'));
const run = (command, args, options = {}) => execFileSync(command, args, { cwd: folder, stdio: 'inherit', ...options });
const heard = (command, args, options = {}) =>
  run(command, args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', ...options });
const write = (file, text) => writeFileSync(join(folder, file), text);

/** The names that a door shows to a program of either kind. */
const namesIn = (door, kind) => {
  const load = kind === 'module' ? `await import('${door}')` : `require('${door}')`;
  const program = `console.log(JSON.stringify(Object.keys(${load}).filter((name) => name !== '__esModule').sort()))`;
  return JSON.parse(heard('node', ['--no-warnings=ExperimentalWarning', `--input-type=${kind}`, '--eval', program]));
};

try {
  say('publint');
  run(tool('publint'), ['--strict'], { cwd: root });

  say('are the types wrong');
  run(tool('attw'), ['--pack', '.', '--profile', 'esm-only'], { cwd: root });

  say('tarball');
  const tarball = packed(root, folder);
  const paths = tarball.files.map(({ path }) => path);
  const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  console.log(
    `${tarball.filename}: ${kB(tarball.size)} packed, ${kB(tarball.unpackedSize)} unpacked, ${paths.length} files`,
  );
  const strangers = paths.filter(
    (path) => !/^(dist\/.*\.(js|d\.ts)(\.map)?|lib\/.*\.ts|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(path),
  );
  check(strangers.length === 0, `the tarball has files that nobody asked for: ${strangers.join(', ')}`);
  for (const path of ['README.md', 'CHANGELOG.md', 'LICENSE']) check(paths.includes(path), `the tarball lacks ${path}`);

  say('an empty folder with the tarball, rxjs and ws');
  write('package.json', JSON.stringify({ name: 'somebody', version: '1.0.0', private: true }));
  const needs = [tarball.place, ...['rxjs', 'ws', '@types/node', '@types/ws'].map(installed)];
  run('npm', [
    'install',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
    '--loglevel=error',
    '--prefer-offline',
    ...needs,
  ]);

  for (const door of doors) {
    const [imported, required] = [namesIn(door, 'module'), namesIn(door, 'commonjs')];
    check(imported.length > 0, `${door} shows nothing`);
    check(
      JSON.stringify(imported) === JSON.stringify(required),
      `${door} shows other names when required: ${required.join(', ')}`,
    );
    console.log(`${door}: imported and required, ${imported.length} names: ${imported.join(', ')}`);
  }

  const asked = doors.map((door, i) => `import * as door${i} from '${door}';`).join('\n');
  const used = `export const names: readonly string[] = [${doors.map((_, i) => `...Object.keys(door${i})`).join(', ')}];`;
  write(
    'somebody.mts',
    `${asked}\nimport { Observable } from 'rxjs';\n${used}\nexport const never = new Observable<never>();\n`,
  );
  // The published types are checked themselves, which a user with `skipLibCheck` would not notice and another would.
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
    run(tool('tsc'), [...strict, ...platform, '--module', module, '--moduleResolution', resolution, 'somebody.mts']);
    console.log(`types: compiled with moduleResolution ${resolution}`);
  }

  say('the same without ws, which only the server and Node before 22 need');
  rmSync(join(folder, 'node_modules', 'ws'), { recursive: true });
  for (const door of doors.filter((path) => !path.endsWith('/server'))) {
    check(namesIn(door, 'module').length > 0, `${door} shows nothing without ws`);
    console.log(`${door}: imported`);
  }

  say('and in a bundle for browsers');
  write('app.js', `import { openRealm } from '${name}';\nopenRealm({ schema: {}, storage: 'app' });\n`);
  const bundled = ['app.js', '--bundle', '--minify', '--platform=browser', '--format=esm', '--outfile=bundle.js'];
  run(tool('esbuild'), [...bundled, '--metafile=bundle.json', '--log-level=warning']);
  const inputs = Object.keys(JSON.parse(readFileSync(join(folder, 'bundle.json'), 'utf8')).inputs);
  const ofNode = inputs.filter((path) => /classic-level|storage\/(level|node-storage)\.js/.test(path));
  check(ofNode.length === 0, `a bundle for browsers has what only Node can use: ${ofNode.join(', ')}`);
  check(
    inputs.some((path) => path.endsWith('storage/browser-storage.js')),
    'a bundle for browsers has no storage',
  );
  const bundle = readFileSync(join(folder, 'bundle.js'));
  console.log(`bundled with RxJS: ${kB(bundle.length)}, ${kB(gzipSync(bundle, { level: 9 }).length)} gzip`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
