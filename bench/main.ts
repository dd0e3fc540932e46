/*
 * npm run bench [-- --quick] [upload|download|latency|live …]: ours against the same work done raw, side by side, each part
 * with a server, a writer and a reader as processes of their own. docs/BENCHMARKS.md says how to read it.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { createStage, type Peaks, type Side } from './stage.js';

const { values: options, positionals: wanted } = parseArgs({
  options: { quick: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const rounds = options.quick ? 2 : 5;
const scale = options.quick ? 0.2 : 1;
const ratioMost = 4;
const many = (count: number): number => Math.round(count * scale);

type Figures = Readonly<Record<string, number>>;
const peaks: Peaks = new Map();

const upload = async (side: Side): Promise<Figures> => {
  const stage = createStage(side, peaks);
  try {
    const server = await stage.enter('server', 0);
    const writer = await stage.enter('writer', await server.one('port'));
    await writer.act('offline', many(10_000));
    return { [`upload of ${many(10_000)} changesets written offline, ms`]: await writer.one('upload') };
  } finally {
    await stage.close();
  }
};

const download =
  (total: number) =>
  async (side: Side): Promise<Figures> => {
    const stage = createStage(side, peaks);
    try {
      const server = await stage.enter('server', 0);
      const port = await server.one('port');
      const writer = await stage.enter('writer', port);
      await writer.act('offline', total);
      await writer.act('upload');
      await writer.end();
      const reader = await stage.enter('reader', port);
      const [took = NaN, objects] = (await reader.act('download', total)) as number[];
      await reader.end();
      if (objects !== total) throw new Error(`${side}: ${String(objects)} objects of ${total} arrived`);
      return { [`first download of ${total} objects, ms`]: took };
    } finally {
      await stage.close();
    }
  };

const percentile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;

const latency = async (side: Side): Promise<Figures> => {
  const stage = createStage(side, peaks);
  try {
    const server = await stage.enter('server', 0);
    const port = await server.one('port');
    const [writer, reader] = [await stage.enter('writer', port), await stage.enter('reader', port)];
    await Promise.all([writer.act('connect'), reader.act('connect')]);
    const total = many(1_000);
    await writer.act('pace', total, 200);
    await reader.act('reached', total);
    const sorted = ((await reader.act('latencies')) as number[]).sort((a, b) => a - b);
    return {
      'live latency at 200 writes a second, p50, ms': percentile(sorted, 0.5),
      'live latency at 200 writes a second, p99, ms': percentile(sorted, 0.99),
    };
  } finally {
    await stage.close();
  }
};

const live = async (side: Side): Promise<Figures> => {
  const stage = createStage(side, peaks);
  try {
    const server = await stage.enter('server', 0);
    const port = await server.one('port');
    const [writer, reader] = [await stage.enter('writer', port), await stage.enter('reader', port)];
    await Promise.all([writer.act('connect'), reader.act('connect')]);
    const total = many(10_000);
    const warm = Math.round(total / 5);
    await writer.act('live', warm, 64, total);
    await reader.act('reached', warm);
    const all = reader.one('reached', total + warm);
    const began = await writer.one('live', total, 64);
    return { [`${total} live writes, 64 at a time, ms`]: (await all) - began };
  } finally {
    await stage.close();
  }
};

const parts: Readonly<Record<string, readonly ((side: Side) => Promise<Figures>)[]>> = {
  upload: [upload],
  download: [download(many(10_000)), download(many(100_000))],
  latency: [latency],
  live: [live],
};

const unknown = wanted.filter((name) => !(name in parts));
if (unknown.length > 0) {
  console.error(`expected some of ${Object.keys(parts).join(', ')}, got ${unknown.join(', ')}`);
  process.exit(2);
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
const shown = (value: number): string => (value < 100 ? value.toFixed(1) : value.toFixed(0));
const spread = (values: readonly number[]): string =>
  `${shown(median(values))} (${shown(Math.min(...values))}–${shown(Math.max(...values))})`;

/** Ours and raw in turn, so that a machine that slows down slows down both; one round of each first, not counted. */
const measured = async (part: (side: Side) => Promise<Figures>): Promise<Map<string, Record<Side, number[]>>> => {
  const figures = new Map<string, Record<Side, number[]>>();
  for (let round = 0; round <= rounds; round++) {
    for (const side of ['ours', 'raw'] as const) {
      for (const [name, value] of Object.entries(await part(side))) {
        const row = figures.get(name) ?? { ours: [], raw: [] };
        figures.set(name, row);
        if (round > 0) row[side].push(value);
      }
    }
    process.stderr.write('.');
  }
  return figures;
};

console.log(
  `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.version}; medians of ${rounds} (min–max)`,
);
const rows: string[][] = [['', 'ours', 'raw', 'ratio']];
const slow: string[] = [];
for (const [name, each] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  for (const part of each) {
    for (const [figure, { ours, raw }] of await measured(part)) {
      const ratio = median(ours) / median(raw);
      rows.push([figure, spread(ours), spread(raw), ratio.toFixed(2)]);
      if (!(ratio <= ratioMost)) slow.push(`${figure}: ${ratio.toFixed(2)}`);
    }
  }
}
for (const role of ['server', 'writer', 'reader']) {
  const [ours, raw] = [peaks.get(`ours ${role}`) ?? NaN, peaks.get(`raw ${role}`) ?? NaN].map((kb) => kb / 1024);
  rows.push([
    `peak memory of the ${role}, MB`,
    shown(ours ?? NaN),
    shown(raw ?? NaN),
    ((ours ?? NaN) / (raw ?? NaN)).toFixed(2),
  ]);
}
const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
console.log(
  `\n\n${rows.map((row) => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')).join('\n')}\n`,
);
if (slow.length > 0) {
  console.error(`over ${ratioMost} times raw: ${slow.join('; ')}`);
  process.exit(1);
}
