/*
 * npm run bench [-- --quick] [upload|download|latency|live|store|server …]: compares tidemark with the same work
 * done raw. Each part has a server, a writer and a reader in their own processes. `npm run bench -- peers` compares
 * with other sync systems too, `npm run bench -- limits` with the targets of single figures, `npm run bench --
 * indexeddb` with IndexedDB by hand, `npm run bench -- tabs` measures several tabs, and `npm run bench --
 * subscriptions` subscriptions. These have options of their own. See docs/BENCHMARKS.md.
 */
import { parseArgs } from 'node:util';
import { benchIndexedDb } from './indexeddb/indexeddb-benchmark.js';
import { benchLimits } from './limits/limits-benchmark.js';
import { download, latency, live, type Part, upload } from './measurements.js';
import { benchPeers } from './peers/peers-benchmark.js';
import { benchServer } from './server-benchmark.js';
import { benchStore } from './store-benchmark.js';
import { createProcessGroup, type Peaks, type Side, type Weight } from './processes.js';
import { machineText, type Measured, memoryRowsOf, rowsOf, formatTable } from './result-table.js';
import { benchSubscriptions } from './subscriptions/subscriptions-benchmark.js';
import { benchTabs } from './tabs/tabs-benchmark.js';

for (const [signal, code] of [['SIGINT', 130] as const, ['SIGTERM', 143] as const]) {
  process.once(signal, () => process.exit(code)); // The exit ends every process and removes every folder.
}
if (process.argv[2] === 'peers') process.exit(await benchPeers(process.argv.slice(3)));
if (process.argv[2] === 'indexeddb' || process.argv[2] === 'tabs') {
  console.log(machineText());
  process.exit(await (process.argv[2] === 'tabs' ? benchTabs : benchIndexedDb)(process.argv.slice(3)));
}
if (process.argv[2] === 'limits') process.exit(await benchLimits(process.argv.slice(3)));
if (process.argv[2] === 'subscriptions') process.exit(await benchSubscriptions(process.argv.slice(3)));

const { values: options, positionals: wanted } = parseArgs({
  options: { quick: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const rounds = options.quick ? 2 : 5;
const countOf = (count: number): number => (options.quick ? count / 5 : count);
const ratioMost = 4;
/** Objects that a process has moved before its work counts. */
const warmUpCount = countOf(40_000);

const parts: Readonly<Record<string, readonly Part[]>> = {
  upload: [upload(countOf(10_000), warmUpCount)],
  download: [download(countOf(10_000), warmUpCount), download(countOf(100_000), warmUpCount)],
  latency: [latency(countOf(1_000), warmUpCount)],
  live: [live(countOf(10_000), warmUpCount)],
};

/** Parts without a raw twin, with limits of their own. */
const otherBenchmarks: Readonly<Record<string, (isQuick: boolean) => Promise<boolean>>> = {
  store: benchStore,
  server: benchServer,
};

const unknown = wanted.filter((name) => !Object.hasOwn(otherBenchmarks, name) && !Object.hasOwn(parts, name));
if (unknown.length > 0) {
  console.error(
    `expected some of ${Object.keys(parts).join(', ')}, ${Object.keys(otherBenchmarks).join(', ')}, got ${unknown.join(', ')}`,
  );
  process.exit(2);
}

const sides: readonly Side[] = ['ours', 'raw'];
const peaks: Peaks = new Map();

/** The bytes of a changeset of this library, so that the raw twin carries the same. */
const measureWeight = async (): Promise<Weight> => {
  const stage = createProcessGroup('ours', { bytes: 0, perPage: 0 }, new Map());
  const scale = await stage.start('scale', 0);
  const [bytes = NaN, perPage = NaN] = (await scale.run('weigh', 5_000)) as number[];
  await scale.end();
  stage.close();
  return { bytes, perPage };
};

/**
 * Alternates tidemark and raw, so that a machine that slows down affects both. The first rounds warm up and do not
 * count.
 */
const measurePart = async ({ uncounted, prepare }: Part, weight: Weight): Promise<Measured> => {
  const figures: Measured = new Map();
  const stages = sides.map((side) => ({ side, stage: createProcessGroup(side, weight, peaks) }));
  const casts = [];
  for (const { side, stage } of stages) casts.push({ side, round: await prepare(stage) });
  for (let round = 1 - uncounted; round <= rounds; round++) {
    for (const { side, round: play } of casts) {
      for (const [name, value] of Object.entries(await play())) {
        const row = figures.get(name) ?? { ours: [], raw: [] };
        figures.set(name, row);
        if (round > 0) row[side].push(value);
      }
    }
    process.stderr.write('.');
  }
  for (const { stage } of stages) {
    await stage.end();
    stage.close();
  }
  return figures;
};

for (const [name, bench] of Object.entries(otherBenchmarks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`${machineText()}; ${name}\n`);
  if (!(await bench(options.quick))) process.exitCode = 1;
  console.log('');
}
if (wanted.every((name) => Object.hasOwn(otherBenchmarks, name)) && wanted.length > 0) process.exit();

const weight = await measureWeight();
console.log(`${machineText()}; medians of ${rounds} (min–max)`);
console.log(`a changeset is ${weight.bytes} bytes, a page ${weight.perPage} changesets`);
const timed = [];
for (const part of Object.entries(parts).flatMap(([name, all]) =>
  wanted.length === 0 || wanted.includes(name) ? all : [],
)) {
  timed.push(...rowsOf(await measurePart(part, weight)));
}
process.stderr.write('\n');
console.log(`\n${formatTable([...timed, ...memoryRowsOf(peaks)])}\n`);

const slow = timed.filter(({ ratio }) => !(ratio <= ratioMost));
if (slow.length > 0) {
  console.error(
    `over ${ratioMost} times raw: ${slow.map(({ name, ratio }) => `${name}: ${ratio.toFixed(2)}`).join('; ')}`,
  );
  process.exit(1);
}
