import type { Stage } from './stage.js';

/** What came of a round: figures by name. */
export type Figures = Readonly<Record<string, number>>;

/** One thing that is measured. */
export interface Part {
  /** Rounds that are played before one counts: what V8 is going to compile is compiled then. */
  readonly uncounted: number;
  /** Brings the processes of one side on stage, which play all its rounds. */
  readonly prepare: (stage: Stage) => Promise<Round>;
}

/** Plays a round. */
export type Round = () => Promise<Figures>;

const inFlight = 64;
const perSecond = 200;

/** Rounds of so many objects in which a process has moved `warming` of them. */
const warmedBy = (warming: number, total: number): number => Math.max(1, Math.ceil(warming / total));

const grouped = (count: number): string => String(count).replace(/(?<=\d)(?=(\d{3})+$)/g, ' ');

const percentile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;

export const upload = (total: number, warming: number): Part => ({
  uncounted: warmedBy(warming, total),
  prepare: async (stage) => {
    const server = await stage.enter('server', 0);
    const writer = await stage.enter('writer', await server.one('port'));
    return async () => {
      await writer.act('offline', total);
      return { [`upload of ${grouped(total)} changesets written offline, ms`]: await writer.one('upload') };
    };
  },
});

/** The server is started again once it has everything: what it sends comes from its storage. */
export const download = (total: number, warming: number): Part => ({
  uncounted: warmedBy(warming, total),
  prepare: async (stage) => {
    const filling = await stage.enter('server', 0, 'history');
    const writer = await stage.enter('writer', await filling.one('port'));
    await writer.act('offline', total);
    await writer.act('upload');
    await writer.end();
    await filling.end();
    const server = await stage.enter('server', 0, 'history');
    const reader = await stage.enter('reader', await server.one('port'));
    return async () => {
      const [took = NaN, objects = NaN] = (await reader.act('download', total)) as number[];
      if (objects !== total) throw new Error(`${objects} objects of ${total} arrived`);
      return { [`first download of ${grouped(total)} objects, ms`]: took };
    };
  },
});

/** A server, and a writer and a reader that are connected to it and have `total` objects behind them. */
const connected = async (stage: Stage, total: number) => {
  const server = await stage.enter('server', 0);
  const port = await server.one('port');
  const [writer, reader] = [await stage.enter('writer', port), await stage.enter('reader', port)];
  await Promise.all([writer.act('connect'), reader.act('connect')]);
  const live = async (count: number): Promise<number> => {
    await reader.act('expect', count);
    const began = await writer.one('live', count, inFlight);
    return (await reader.one('reached')) - began;
  };
  await live(total);
  return { writer, reader, live };
};

export const latency = (total: number, warming: number): Part => ({
  uncounted: 1, // At its pace, more would take minutes: it is warmed by live writes.
  prepare: async (stage) => {
    const { writer, reader } = await connected(stage, warming);
    return async () => {
      await reader.act('expect', total);
      await writer.act('pace', total, perSecond);
      await reader.act('reached');
      const sorted = ((await reader.act('ages')) as number[]).sort((a, b) => a - b);
      return {
        [`live latency at ${perSecond} writes a second, p50, ms`]: percentile(sorted, 0.5),
        [`live latency at ${perSecond} writes a second, p99, ms`]: percentile(sorted, 0.99),
      };
    };
  },
});

export const live = (total: number, warming: number): Part => ({
  uncounted: warmedBy(warming, total),
  prepare: async (stage) => {
    const { live: write } = await connected(stage, total);
    return async () => ({ [`${grouped(total)} live writes, ${inFlight} at a time, ms`]: await write(total) });
  },
});
