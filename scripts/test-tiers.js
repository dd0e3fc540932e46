/*
 * The tier of each spec. A rule decides it, so that every spec is in exactly one tier:
 *
 * - `system`: the name ends with `.system.spec.ts`. The spec needs an installed program (Chromium, nginx, OpenSSL) or
 *   kills processes for a long time.
 * - `fast`: the spec and the helpers that it imports use no process, socket, browser or disk, and the spec is not in
 *   `slowSpecs`.
 * - `node`: all others. They need nothing but Node.
 *
 * spec/test-tiers.spec.ts checks the rule. `npm run tiers` prints the tier of each spec.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Specs that touch nothing outside of their process, and take a second or more. They are in the tier `node`. */
export const slowSpecs = [
  'spec/client/app-versions.spec.ts',
  'spec/client/export-import.spec.ts',
  'spec/client/large-backlog.spec.ts',
  'spec/client/values-at-limits.spec.ts',
  'spec/log/follow-log-interleaving.spec.ts',
  'spec/merge/counter.spec.ts',
  'spec/merge/damaged-bytes.spec.ts',
  'spec/merge/list-position.spec.ts',
  'spec/merge/list.spec.ts',
  'spec/merge/many-operations.spec.ts',
  'spec/merge/operation-codec.spec.ts',
  'spec/merge/replica-convergence.spec.ts',
  'spec/merge/restamp.spec.ts',
  'spec/merge/state-codec.spec.ts',
  'spec/model/msgpack.spec.ts',
  'spec/protocol/codec.spec.ts',
  'spec/protocol/message-parts.spec.ts',
  'spec/second-implementation/convergence.spec.ts',
  'spec/second-implementation/initial-snapshot.spec.ts',
  'spec/second-implementation/sessions.spec.ts',
  'spec/server/connections/message-matrix.spec.ts',
  'spec/server/connections/server-connection.spec.ts',
  'spec/server/connections/user-limits.spec.ts',
  'spec/server/convergence.spec.ts',
  'spec/server/history/many-large-objects.spec.ts',
  'spec/server/history/snapshots.spec.ts',
  'spec/server/realms/compaction.spec.ts',
  'spec/server/realms/replica-cursors.spec.ts',
  'spec/server/uploads/many-rejections.spec.ts',
  'spec/session/api/progress.spec.ts',
  'spec/store/commit/outbox-model.spec.ts',
  'spec/store/open-store.spec.ts',
  'spec/store/store-model.spec.ts',
  'spec/store/sync/apply-snapshot.spec.ts',
  'spec/store/sync/recreate-operations.spec.ts',
  'spec/store/transaction/collection-edits.spec.ts',
  'spec/store/transaction/large-collection.spec.ts',
  'spec/store/transaction/write.spec.ts',
  'spec/testing/live-recording.spec.ts',
  'spec/testing/recorded-network.spec.ts',
];

/** Modules that reach a process, a socket, a browser or a disk. */
const outside =
  /^(node:(child_process|cluster|dgram|fs|fs\/promises|http|http2|https|net|tls|worker_threads)|ws|classic-level|esbuild|playwright-core)$/;
const importPattern = /(?:^|[\s;])(?:import|export)\s(?:[^'"();]*?\sfrom\s*)?'([^']+)'|import\('([^']+)'\)/g;

/** The specs of a checkout, as paths from its root. */
export const readSpecs = (root) =>
  readdirSync(join(root, 'spec'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.spec.ts'))
    .map((name) => `spec/${name.replaceAll('\\', '/')}`)
    .sort();

/** Returns a function that lists what a spec and its helpers import: packages, and helpers. `lib/` is not followed. */
export const createImportReader = (root) => {
  const files = new Map();
  const importsOf = (file) => {
    if (!files.has(file)) {
      const text = readFileSync(join(root, file), 'utf8');
      files.set(
        file,
        [...text.matchAll(importPattern)].map(([, named, called]) => named ?? called),
      );
    }
    return files.get(file);
  };
  const collect = (file, visited, modules) => {
    if (visited.has(file)) return modules;
    visited.add(file);
    for (const name of importsOf(file)) {
      if (!name.startsWith('.')) modules.add(name);
      else {
        const path = join(dirname(file), name.replace(/\.js$/, '.ts')).replaceAll('\\', '/');
        if (path.startsWith('lib/') || !existsSync(join(root, path))) continue;
        modules.add(path);
        collect(path, visited, modules);
      }
    }
    return modules;
  };
  return (spec) => [...collect(spec, new Set(), new Set())].sort();
};

/** The tier of a spec with these imports. */
export const tierOf = (spec, modules) => {
  if (spec.endsWith('.system.spec.ts')) return 'system';
  return slowSpecs.includes(spec) || modules.some((name) => outside.test(name)) ? 'node' : 'fast';
};

/** The specs of each tier. */
export const readTiers = (root) => {
  const tiers = { fast: [], node: [], system: [] };
  const readImports = createImportReader(root);
  for (const spec of readSpecs(root)) tiers[tierOf(spec, readImports(spec))].push(spec);
  return tiers;
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [tier, specs] of Object.entries(readTiers(process.cwd()))) {
    console.log(`${tier}: ${specs.length}`);
    for (const spec of specs) console.log(`  ${spec}`);
  }
}
