import type { ProcessGroup } from './processes.js';

/** The figures of a round by name. */
export type Figures = Readonly<Record<string, number>>;

/** One measurement. */
export interface Part {
  /** Rounds before the first one that counts, in which V8 compiles. */
  readonly uncounted: number;
  /** Starts the processes of one side, which run all of its rounds. */
  readonly prepare: (stage: ProcessGroup) => Promise<Round>;
}

/** Runs a round. */
export type Round = () => Promise<Figures>;

const inFlight = 64;
const perSecond = 200;

/** Rounds of a number of objects after a warm-up of `warming` objects. */
const warmUpRounds = (warming: number, total: number): number => Math.max(1, Math.ceil(warming / total));

const groupDigits = (count: number): string => String(count).replace(/(?<=\d)(?=(\d{3})+$)/g, ' ');

const percentile = (sorted: readonly number[], part: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;

export const upload = (total: number, warming: number): Part => ({
  uncounted: warmUpRounds(warming, total),
  prepare: async (stage) => {
    const server = await stage.start('server', 0);
    const writer = await stage.start('writer', await server.runForNumber('port'));
    return async () => {
      await writer.run('offline', total);
      return {
        [`upload of ${groupDigits(total)} changesets written offline, ms`]: await writer.runForNumber('upload'),
      };
    };
  },
});

/** Restarts the server once it has everything, so that it reads from its storage. */
export const download = (total: number, warming: number): Part => ({
  uncounted: warmUpRounds(warming, total),
  prepare: async (stage) => {
    const filling = await stage.start('server', 0, 'history');
    const writer = await stage.start('writer', await filling.runForNumber('port'));
    await writer.run('offline', total);
    await writer.run('upload');
    await writer.end();
    await filling.end();
    const server = await stage.start('server', 0, 'history');
    const reader = await stage.start('reader', await server.runForNumber('port'));
    return async () => {
      const [elapsedMs = NaN, objects = NaN] = (await reader.run('download', total)) as number[];
      if (objects !== total) throw new Error(`${objects} objects of ${total} arrived`);
      return { [`first download of ${groupDigits(total)} objects, ms`]: elapsedMs };
    };
  },
});

/** A server, and a connected writer and reader that have moved `total` objects. */
const connectStage = async (stage: ProcessGroup, total: number) => {
  const server = await stage.start('server', 0);
  const port = await server.runForNumber('port');
  const [writer, reader] = [await stage.start('writer', port), await stage.start('reader', port)];
  await Promise.all([writer.run('connect'), reader.run('connect')]);
  const live = async (count: number): Promise<number> => {
    await reader.run('expect', count);
    const began = await writer.runForNumber('live', count, inFlight);
    return (await reader.runForNumber('reached')) - began;
  };
  await live(total);
  return { writer, reader, live };
};

export const latency = (total: number, warming: number): Part => ({
  uncounted: 1, // More would take minutes at its pace: live writes warm it up.
  prepare: async (stage) => {
    const { writer, reader } = await connectStage(stage, warming);
    return async () => {
      await reader.run('expect', total);
      await writer.run('pace', total, perSecond);
      await reader.run('reached');
      const sorted = ((await reader.run('ages')) as number[]).sort((a, b) => a - b);
      return {
        [`live latency at ${perSecond} writes a second, p50, ms`]: percentile(sorted, 0.5),
        [`live latency at ${perSecond} writes a second, p99, ms`]: percentile(sorted, 0.99),
      };
    };
  },
});

export const live = (total: number, warming: number): Part => ({
  uncounted: warmUpRounds(warming, total),
  prepare: async (stage) => {
    const { live: write } = await connectStage(stage, total);
    return async () => ({ [`${groupDigits(total)} live writes, ${inFlight} at a time, ms`]: await write(total) });
  },
});
