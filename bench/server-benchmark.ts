/*
 * npm run bench -- server: the cost of many clients for one server process, compared with a raw `ws` server. The
 * clients are plain sockets in their own processes. Each figure has a limit; over it, the run exits with 1.
 */
import { createProcessGroup, type BenchmarkProcess, type Side, type ProcessGroup } from './processes.js';

const weight = { bytes: 0, perPage: 0 };
const sides: readonly Side[] = ['ours', 'raw'];

interface Figure {
  readonly name: string;
  readonly ours: number;
  readonly beside: number;
  readonly bound: string;
  readonly isMet: boolean;
}

const formatNumber = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
const lineOf = ({ name, ours, beside, bound, isMet }: Figure): string =>
  `${name.padEnd(86)} ${formatNumber(ours)} : ${formatNumber(beside)} = ${formatNumber(ours / beside)} (${bound})${isMet ? '' : ' MISSED'}`;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
const percentile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? NaN;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Runs a measurement with a server of each side, in new processes. */
const runWithServer = async <A>(
  side: Side,
  measure: (processes: ProcessGroup, server: BenchmarkProcess, port: number) => Promise<A>,
): Promise<A> => {
  const processes = createProcessGroup(side, weight, new Map());
  try {
    const server = await processes.start('host', 0);
    return await measure(processes, server, await server.runForNumber('port'));
  } finally {
    processes.close();
  }
};

/** Kilobytes per silent client: after a while, after a garbage collection, and of the heap. */
export const measureIdle = (side: Side, clients: number): Promise<readonly number[]> =>
  runWithServer(side, async (processes, server, port) => {
    const warmUp = await processes.start('crowd', port);
    await warmUp.run('join', 500, 100, 100);
    await warmUp.end();
    await sleep(1_000);
    const before = (await server.run('memory')) as number[];
    const crowds = [await processes.start('crowd', port), await processes.start('crowd', port)];
    await Promise.all(crowds.map((crowd) => crowd.run('join', clients / 2, 50, 100)));
    await sleep(5_000);
    const after = (await server.run('memory')) as number[];
    return after.map((kilobytes, at) => (kilobytes - (before[Math.max(1, at)] ?? NaN)) / clients);
  });

const benchIdle = async (clients: number): Promise<readonly Figure[]> => {
  const ours = await measureIdle('ours', clients);
  const raw = await measureIdle('raw', clients);
  const most = 30;
  const toFigure = (name: string, at: number): Figure => ({
    name: `${clients} idle clients, 100 to a realm: ${name} of each, KiB`,
    ours: ours[at] ?? NaN,
    beside: raw[at] ?? NaN,
    bound: at === 1 ? `less than ${most}` : 'for information',
    isMet: at !== 1 || (ours[at] ?? NaN) < most,
  });
  return [toFigure('resident memory, garbage included,', 0), toFigure('resident memory', 1), toFigure('heap', 2)];
};

/** Milliseconds until all clients of a server are bound again after all connections broke, in several rounds. */
const benchReconnect = async (clients: number, rounds: number): Promise<readonly Figure[]> => {
  const durations: Record<Side, number[]> = { ours: [], raw: [] };
  const cpu: Record<Side, number[]> = { ours: [], raw: [] };
  const setups = await Promise.all(
    sides.map(async (side) => {
      const processes = createProcessGroup(side, weight, new Map());
      const server = await processes.start('host', 0);
      const crowd = await processes.start('crowd', await server.runForNumber('port'));
      await crowd.run('join', clients, 50, 10);
      return { side, processes, server, crowd };
    }),
  );
  for (let round = -2; round < rounds; round += 1) {
    for (const { side, server, crowd } of setups) {
      await crowd.run('disconnect');
      await sleep(300);
      await server.run('count');
      const ms = await crowd.runForNumber('reconnect');
      const [, , used = NaN] = (await server.run('counted')) as number[];
      if (round < 0) continue; // The first round warms up.
      durations[side].push(ms);
      cpu[side].push(used);
    }
  }
  for (const { processes } of setups) processes.close();
  const [ours, beside] = [median(durations.ours), median(durations.raw)];
  const figure: Figure = {
    name: `${clients} clients come back at once: until all are bound, beside accepted by raw ws, ms`,
    ...{ ours, beside, bound: 'at most 2 times', isMet: ours <= 2 * beside },
  };
  return [
    figure,
    {
      ...figure,
      ...{ name: 'the processor that it takes the server, ms', ours: median(cpu.ours), beside: median(cpu.raw) },
      ...{ bound: 'for information', isMet: true },
    },
  ];
};

/** Frames and processor time per changeset that one client writes and many receive. */
const measureSpread = (side: Side, readers: number, changesets: number): Promise<readonly number[]> =>
  runWithServer(side, async (processes, server, port) => {
    const [writer, crowd] = [await processes.start('crowd', port), await processes.start('crowd', port)];
    await writer.run('join', 1, 1, 1);
    await crowd.run('join', readers, 50, 1);
    const round = async (count: number): Promise<readonly number[]> => {
      await sleep(500);
      await crowd.run('expect', count * readers);
      await server.run('count');
      const writing = writer.run('write', count, 20);
      await crowd.run('reached');
      const [sent = NaN, frames = NaN, ms = NaN] = (await server.run('counted')) as number[];
      await writing;
      return [sent, frames / count, (ms * 1_000) / count / readers];
    };
    await round(changesets); // The first round warms up.
    return round(changesets);
  });

const benchSpread = async (readers: number, changesets: number): Promise<readonly Figure[]> => {
  const [, framesOurs = NaN, cpuOurs = NaN] = await measureSpread('ours', readers, changesets);
  const [, framesRaw = NaN, cpuRaw = NaN] = await measureSpread('raw', readers, changesets);
  return [
    {
      name: `${readers} readers of a realm: different frames for a changeset (with the writer's accepted)`,
      ...{ ours: framesOurs, beside: framesRaw, bound: 'at most 3', isMet: framesOurs <= 3 },
    },
    {
      name: `${readers} readers of a realm: processor for a changeset and reader, µs`,
      ...{ ours: cpuOurs, beside: cpuRaw, bound: 'at most 4 times', isMet: cpuOurs <= 4 * cpuRaw },
    },
  ];
};

/** The duration of small writes in an otherwise idle server, and while other clients flood another realm. */
const benchFlood = (writers: number, writes: number): Promise<readonly Figure[]> =>
  runWithServer('ours', async (processes, _, port) => {
    const [writer, flooders] = [await processes.start('crowd', port), await processes.start('crowd', port)];
    await writer.run('join', 1, 1, 1, 0);
    await flooders.run('join', writers, 1, 1, 1);
    await writer.run('write', writes, 5); // The first round warms up.
    const idleWaits = (await writer.run('write', writes, 5)) as number[];
    await flooders.run('storm');
    await sleep(1_000);
    const floodedWaits = (await writer.run('write', writes, 5)) as number[];
    const flooded = await flooders.runForNumber('calm');
    const name = `a small write, while ${writers} writers flood another realm (${flooded} changesets), beside the same without them`;
    const figure = (part: number, most: number): Figure => {
      const [ours, idle] = [percentile(floodedWaits, part), percentile(idleWaits, part)];
      return {
        name: `${name}, p${part * 100}, ms`,
        ...{ ours, beside: idle, bound: `at most ${most} ms`, isMet: ours <= most },
      };
    };
    return [figure(0.5, 50), figure(0.99, 200)];
  });

export const benchServer = async (isQuick: boolean): Promise<boolean> => {
  const [clients, back, rounds, readers, changesets] = isQuick
    ? [2_000, 500, 3, 300, 50]
    : [10_000, 1_000, 7, 1_000, 200];
  const figures: Figure[] = [];
  const parts = [
    () => benchIdle(clients),
    () => benchReconnect(back, rounds),
    () => benchSpread(readers, changesets),
    () => benchFlood(4, isQuick ? 60 : 150),
  ];
  for (const part of parts) {
    for (const figure of await part()) {
      figures.push(figure);
      console.log(lineOf(figure));
    }
  }
  return figures.every(({ isMet }) => isMet);
};
