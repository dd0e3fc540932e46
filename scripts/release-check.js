/*
 * Checks what a release needs, and publishes nothing: version, changelog, packed files, provenance. `--development` leaves
 * out what is only true on the day of a release: a date in the changelog, the repository, a clean work tree. docs/releasing.md
 * has the whole process. Needs `dist/` (npm run build).
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const read = (file) => readFileSync(join(root, file), 'utf8');
const run = (command, ...args) =>
  execFileSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

const isDevelopment = process.argv.includes('--development');
const manifest = JSON.parse(read('package.json'));
const { version } = manifest;

let failed = 0;
const check = (holds, title, advice) => {
  if (!holds) failed += 1;
  console.log(holds ? `ok      ${title}` : `FAILED  ${title}: ${advice}`);
};

check(/^\d+\.\d+\.\d+(-[a-z]+\.\d+)?$/.test(version), `version ${version}`, 'package.json needs a semantic version.');
const lock = JSON.parse(read('package-lock.json'));
check(
  lock.version === version && lock.packages[''].version === version,
  'the lock file has the same version',
  'Run npm install --package-lock-only.',
);
check(manifest.private !== true, 'the package is not private', 'Remove private from package.json.');

const [heading, headingVersion, date] = /^## (\S+) \(([^)]*)\)$/m.exec(read('CHANGELOG.md')) ?? [];
check(
  headingVersion === version,
  `CHANGELOG.md begins with ${version}`,
  `The first heading is "${heading ?? 'missing'}". Write "## ${version} (unreleased)" above it.`,
);

const [{ files }] = JSON.parse(run('npm', 'pack', '--dry-run', '--json', '--ignore-scripts'));
const packed = new Set(files.map(({ path }) => path));
const wanted = [
  ...['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE'],
  ...Object.values(manifest.bin),
  ...Object.values(manifest.exports).flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry))),
  ...Object.values(manifest.imports)
    .flatMap((entry) => Object.values(entry))
    .filter((path) => path.startsWith('./')),
].map((path) => normalize(path));
/** A path of `imports` may have a `*`. */
const isPacked = (path) => {
  const [start, end] = path.split('*');
  return end === undefined
    ? packed.has(path)
    : [...packed].some((each) => each.startsWith(start) && each.endsWith(end));
};
const lacking = wanted.filter((path) => !isPacked(path));
check(lacking.length === 0, `${packed.size} packed files, with every entry point`, `These are missing: ${lacking}.`);
const surplus = [...packed].filter(
  (path) =>
    !/^(dist\/.*\.(js|d\.ts)(\.map)?|(angular\/)?lib\/.*\.ts|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(
      path,
    ),
);
check(surplus.length === 0, 'no other files are packed', `Remove these from "files": ${surplus}.`);
const sourcesOf = (path) => JSON.parse(read(path)).sources.map((source) => normalize(join(dirname(path), source)));
const maps = [...packed].filter((path) => path.endsWith('.map') && existsSync(join(root, path)));
const lost = maps.filter((path) => sourcesOf(path).some((source) => !packed.has(source)));
check(
  maps.length > 0 && lost.length === 0,
  `the sources of all ${maps.length} source and declaration maps are packed`,
  maps.length > 0 ? `These maps have none: ${lost}.` : 'Run npm run build.',
);

const { access, provenance } = manifest.publishConfig ?? {};
check(
  access === 'public' && provenance === true,
  'publishConfig publishes with provenance',
  'Set publishConfig to { "access": "public", "provenance": true }.',
);

if (!isDevelopment) {
  check(/^\d{4}-\d\d-\d\d$/.test(date ?? ''), 'CHANGELOG.md has the date of the release', `It says "${date}".`);
  check(
    manifest.repository !== undefined,
    'package.json names the repository',
    'npm compares it with the workflow that publishes, and refuses provenance without it.',
  );
  check(run('git', 'status', '--porcelain') === '', 'the work tree is clean', 'Commit or discard the changes.');
  check(run('git', 'tag', '--list', `v${version}`) === '', `the tag v${version} is free`, 'Raise the version.');
}

console.log(failed === 0 ? `\nVersion ${version} passes. Nothing was published.` : `\n${failed} checks failed.`);
if (failed > 0) process.exitCode = 1;
