import { setTimeout as sleep } from 'node:timers/promises';
import type { LimitRow } from '../limits/limits-table.js';
import { percentileOf } from '../peers/statistics.js';
import type { BenchmarkProcess, ProcessGroup } from '../processes.js';
import { groupDigits, runRounds, startProcesses } from './run-steps.js';
import type { SubscriptionsOptions } from './subscriptions-options.js';

/* A realm in which filters name three properties, beside one without any filter. Each has its own server. */

/** Runs a measurement with the processes of both sides, and ends them. */
const runBesides = async <A>(measure: (watched: ProcessGroup, unwatched: ProcessGroup) => Promise<A>): Promise<A> => {
  const [watched, unwatched] = [startProcesses(), startProcesses()];
  try {
    const measured = await measure(watched, unwatched);
    for (const processes of [watched, unwatched]) await processes.end(); // A profile is written at the end.
    return measured;
  } finally {
    watched.close();
    unwatched.close();
  }
};

const idlePollMs = 250;
const idleCpuMs = 10;
const idlePollsMax = 120;

/** Waits until a server needs no processor any more. */
const waitUntilIdle = async (server: BenchmarkProcess): Promise<void> => {
  let before = await server.runForNumber('cpu');
  for (let poll = 0; poll < idlePollsMax; poll += 1) {
    await sleep(idlePollMs);
    const now = await server.runForNumber('cpu');
    if (now - before < idleCpuMs) return;
    before = now;
  }
  throw new Error('The server does not become idle.');
};

const startUpload = async (processes: ProcessGroup, total: number, isWatched: boolean) => {
  const server = await processes.start('server', 0);
  const port = await server.runForNumber('port');
  if (isWatched) {
    const device = await processes.start('partial', port);
    await device.run('watch');
    await device.end();
  }
  const writer = await processes.start('writer', port);
  return async (): Promise<readonly number[]> => {
    await writer.run('offline', total);
    await waitUntilIdle(server); // It stores the objects of the round before.
    const before = await server.runForNumber('cpu');
    const ms = await writer.runForNumber('upload');
    return [ms, (await server.runForNumber('cpu')) - before];
  };
};

export const measureUpload = ({ isQuick, rounds }: SubscriptionsOptions): Promise<LimitRow[]> =>
  runBesides(async (watched, unwatched) => {
    const total = isQuick ? 2_000 : 10_000;
    const sides = [await startUpload(watched, total, true), await startUpload(unwatched, total, false)];
    const [[value = NaN, cpuMs = NaN] = [], [beside = NaN, cpuMsBeside = NaN] = []] = await runRounds(
      sides,
      rounds,
      isQuick ? 3 : 4,
    );
    const label = `upload of ${groupDigits(total)} changesets to a watched realm, beside an unwatched one`;
    return [
      { label: `${label}, ms`, value, beside, target: { ratioMax: 1.5 } },
      { label: `${label}, ms of the server's processor`, value: cpuMs, beside: cpuMsBeside, target: null },
    ];
  });

const perSecond = 200;
const inFlight = 64;

const startLatency = async (processes: ProcessGroup, warmUp: number, total: number, isPartial: boolean) => {
  const server = await processes.start('server', 0);
  const port = await server.runForNumber('port');
  const writer = await processes.start('writer', port);
  const reader = await processes.start(isPartial ? 'partial' : 'reader', port);
  await Promise.all([writer.run('connect'), reader.run('connect')]);
  await reader.run('expect', warmUp);
  await writer.run('live', warmUp, inFlight);
  await reader.run('reached');
  return async (): Promise<readonly number[]> => {
    await reader.run('expect', total);
    await writer.run('pace', total, perSecond);
    await reader.run('reached');
    const ages = (await reader.run('ages')) as number[];
    return [percentileOf(ages, 0.5), percentileOf(ages, 0.99)];
  };
};

export const measureLatency = ({ isQuick, rounds }: SubscriptionsOptions): Promise<LimitRow[]> =>
  runBesides(async (watched, unwatched) => {
    const [warmUp, total] = isQuick ? [2_000, 300] : [10_000, 1_000];
    const sides = [
      await startLatency(watched, warmUp, total, true),
      await startLatency(unwatched, warmUp, total, false),
    ];
    const [partial = [], full = []] = await runRounds(sides, rounds, 1);
    const label = `live latency at ${perSecond} writes a second through a filter, beside a full realm`;
    const rowOf = (part: string, at: number, target: LimitRow['target']): LimitRow => ({
      label: `${label}, ${part}, ms`,
      ...{ value: partial[at] ?? NaN, beside: full[at] ?? NaN, target },
    });
    return [rowOf('p50', 0, { ratioMax: 1.2 }), rowOf('p99', 1, null)];
  });
