/*
 * npm run bench -- server: what many clients cost one server process, beside a raw `ws` server that does as much of it as it can. Clients are
 * processes of their own, which hold nothing but sockets. Each figure has a bound; over it, the run exits with 1.
 */
import { createStage, type Actor, type Side, type Stage } from './stage.js';

const weight = { bytes: 0, perPage: 0 };
const sides: readonly Side[] = ['ours', 'raw'];

interface Figure {
  readonly name: string;
  readonly ours: number;
  readonly beside: number;
  readonly bound: string;
  readonly isMet: boolean;
}

const shown = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
const lineOf = ({ name, ours, beside, bound, isMet }: Figure): string =>
  `${name.padEnd(86)} ${shown(ours)} : ${shown(beside)} = ${shown(ours / beside)} (${bound})${isMet ? '' : ' MISSED'}`;

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
const percentile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? NaN;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Plays something with a server of each side, on a stage of its own. */
const onStage = async <A>(side: Side, play: (stage: Stage, server: Actor, port: number) => Promise<A>): Promise<A> => {
  const stage = createStage(side, weight, new Map());
  try {
    const server = await stage.enter('host', 0);
    return await play(stage, server, await server.one('port'));
  } finally {
    stage.close();
  }
};

/** Kilobytes that each of many clients takes that say nothing: as it is a while later, once garbage is gone, and of the heap. */
const idle = (side: Side, clients: number): Promise<readonly number[]> =>
  onStage(side, async (stage, server, port) => {
    const warming = await stage.enter('crowd', port);
    await warming.act('join', 500, 100, 100);
    await warming.end();
    await sleep(1_000);
    const before = (await server.act('memory')) as number[];
    const crowds = [await stage.enter('crowd', port), await stage.enter('crowd', port)];
    await Promise.all(crowds.map((crowd) => crowd.act('join', clients / 2, 50, 100)));
    await sleep(5_000);
    const after = (await server.act('memory')) as number[];
    return after.map((kilobytes, at) => (kilobytes - (before[Math.max(1, at)] ?? NaN)) / clients);
  });

const idling = async (clients: number): Promise<readonly Figure[]> => {
  const ours = await idle('ours', clients);
  const raw = await idle('raw', clients);
  const most = 30;
  const named = (name: string, at: number): Figure => ({
    name: `${clients} idle clients, 100 to a realm: ${name} of each, KiB`,
    ours: ours[at] ?? NaN,
    beside: raw[at] ?? NaN,
    bound: at === 1 ? `less than ${most}` : 'for information',
    isMet: at !== 1 || (ours[at] ?? NaN) < most,
  });
  return [named('resident memory, garbage included,', 0), named('resident memory', 1), named('heap', 2)];
};

/** Milliseconds until all clients of a server that have lost their lines are bound again, of some rounds. */
const returning = async (clients: number, rounds: number): Promise<readonly Figure[]> => {
  const took: Record<Side, number[]> = { ours: [], raw: [] };
  const cpu: Record<Side, number[]> = { ours: [], raw: [] };
  const casts = await Promise.all(
    sides.map(async (side) => {
      const stage = createStage(side, weight, new Map());
      const server = await stage.enter('host', 0);
      const crowd = await stage.enter('crowd', await server.one('port'));
      await crowd.act('join', clients, 50, 10);
      return { side, stage, server, crowd };
    }),
  );
  for (let round = -2; round < rounds; round += 1) {
    for (const { side, server, crowd } of casts) {
      await crowd.act('drop');
      await sleep(300);
      await server.act('count');
      const ms = await crowd.one('back');
      const [, , used = NaN] = (await server.act('counted')) as number[];
      if (round < 0) continue; // It warms.
      took[side].push(ms);
      cpu[side].push(used);
    }
  }
  for (const { stage } of casts) stage.close();
  const [ours, beside] = [median(took.ours), median(took.raw)];
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

/** Frames made and processor time for each changeset that one writes and many read. */
const spread = (side: Side, readers: number, changesets: number): Promise<readonly number[]> =>
  onStage(side, async (stage, server, port) => {
    const [writer, crowd] = [await stage.enter('crowd', port), await stage.enter('crowd', port)];
    await writer.act('join', 1, 1, 1);
    await crowd.act('join', readers, 50, 1);
    const round = async (count: number): Promise<readonly number[]> => {
      await sleep(500);
      await crowd.act('expect', count * readers);
      await server.act('count');
      const writing = writer.act('write', count, 20);
      await crowd.act('reached');
      const [sent = NaN, made = NaN, ms = NaN] = (await server.act('counted')) as number[];
      await writing;
      return [sent, made / count, (ms * 1_000) / count / readers];
    };
    await round(changesets); // It warms.
    return round(changesets);
  });

const spreading = async (readers: number, changesets: number): Promise<readonly Figure[]> => {
  const [, madeOurs = NaN, cpuOurs = NaN] = await spread('ours', readers, changesets);
  const [, madeRaw = NaN, cpuRaw = NaN] = await spread('raw', readers, changesets);
  return [
    {
      name: `${readers} readers of a realm: frames made for a changeset (with the writer's accepted)`,
      ...{ ours: madeOurs, beside: madeRaw, bound: 'at most 3', isMet: madeOurs <= 3 },
    },
    {
      name: `${readers} readers of a realm: processor for a changeset and reader, µs`,
      ...{ ours: cpuOurs, beside: cpuRaw, bound: 'at most 4 times', isMet: cpuOurs <= 4 * cpuRaw },
    },
  ];
};

/** How long small writes in a realm take while nothing else goes on, and while others flood another realm. */
const storming = (writers: number, writes: number): Promise<readonly Figure[]> =>
  onStage('ours', async (stage, _, port) => {
    const [calm, storm] = [await stage.enter('crowd', port), await stage.enter('crowd', port)];
    await calm.act('join', 1, 1, 1, 0);
    await storm.act('join', writers, 1, 1, 1);
    await calm.act('write', writes, 5); // It warms.
    const alone = (await calm.act('write', writes, 5)) as number[];
    await storm.act('storm');
    await sleep(1_000);
    const beside = (await calm.act('write', writes, 5)) as number[];
    const flooded = await storm.one('calm');
    const name = `a small write, while ${writers} writers flood another realm (${flooded} changesets), beside alone`;
    const figure = (part: number, most: number): Figure => {
      const [ours, lonely] = [percentile(beside, part), percentile(alone, part)];
      return {
        name: `${name}, p${part * 100}, ms`,
        ...{ ours, beside: lonely, bound: `at most ${most} ms`, isMet: ours <= most },
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
    () => idling(clients),
    () => returning(back, rounds),
    () => spreading(readers, changesets),
    () => storming(4, isQuick ? 60 : 150),
  ];
  for (const part of parts) {
    for (const figure of await part()) {
      figures.push(figure);
      console.log(lineOf(figure));
    }
  }
  return figures.every(({ isMet }) => isMet);
};
