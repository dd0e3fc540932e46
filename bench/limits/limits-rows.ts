import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { medianOf } from '../peers/statistics.js';
import { createProcessGroup, type ProcessGroup } from '../processes.js';
import { measureIdle } from '../server-benchmark.js';
import type { LimitName, LimitsOptions } from './limits-options.js';
import type { LimitRow } from './limits-table.js';
import { startThrottledProxy } from './throttled-proxy.js';

const weight = { bytes: 0, perPage: 0 };
const processOptions = { actionMsMax: 900_000, flags: ['--max-old-space-size=6144'] };

/** Runs a measurement with processes of its own, and ends them. */
const runWithProcesses = async <A>(measure: (processes: ProcessGroup) => Promise<A>): Promise<A> => {
  const processes = createProcessGroup('ours', weight, new Map(), processOptions);
  try {
    return await measure(processes);
  } finally {
    processes.close();
  }
};

const groupDigits = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ' ');

const opening = ({ isQuick }: LimitsOptions): Promise<LimitRow[]> =>
  runWithProcesses(async (processes) => {
    const count = isQuick ? 20_000 : 100_000;
    const figures = await (await processes.start('limits', 0)).run('opening', count, isQuick ? 2 : 5);
    const [value = NaN, sameBytes = NaN, records = NaN] = figures as number[];
    const label = `opening ${groupDigits(count)} objects`;
    return [
      { label: `${label}, beside reading the same bytes, ms`, value, beside: sameBytes, target: { ratioMax: 1.5 } },
      { label: `${label}, beside reading a record for each, ms`, value, beside: records, target: null },
    ];
  });

const importProgram = fileURLToPath(new URL('./import-time.js', import.meta.url));

const importTimes = async ({ isQuick }: LimitsOptions): Promise<LimitRow[]> => {
  const measure = async (entry: string, label: string, valueMax: number): Promise<LimitRow> => {
    const all: number[] = [];
    for (let run = 0; run < (isQuick ? 3 : 9); run += 1) {
      const { stdout } = await promisify(execFile)(process.execPath, [importProgram, entry], { timeout: 60_000 });
      all.push(Number(stdout));
    }
    return { label, value: medianOf(all), beside: null, target: { valueMax } };
  };
  return [
    await measure('client', "import 'tidemark' in a fresh process, ms of processor time", 250),
    await measure('server', "import 'tidemark/server' in a fresh process, ms of processor time", 350),
  ];
};

const idleSession = ({ isQuick }: LimitsOptions): Promise<LimitRow[]> =>
  runWithProcesses(async (processes) => {
    const server = await processes.start('server', 0);
    const app = await processes.start('limits', await server.runForNumber('port'));
    const value = await app.runForNumber('idleSessions', isQuick ? 200 : 500);
    return [
      { label: 'idle session with its realm in memory, KiB of heap', value, beside: null, target: { valueMax: 16 } },
    ];
  });

const idleClients = async ({ isQuick }: LimitsOptions): Promise<LimitRow[]> => {
  const clients = isQuick ? 2_000 : 10_000;
  const [, value = NaN] = await measureIdle('ours', clients);
  const [, beside = NaN] = await measureIdle('raw', clients);
  const label = `${groupDigits(clients)} idle clients on 100 realms, server memory of each, beside raw ws, KiB`;
  return [{ label, value, beside, target: { valueMax: 12 } }];
};

const bytesOnDisk = ({ updates }: LimitsOptions): Promise<LimitRow[]> =>
  runWithProcesses(async (processes) => {
    const objects = 1_000;
    const server = await processes.start('server', 0);
    const device = await processes.start('limits', await server.runForNumber('port'));
    await device.run('create', objects);
    await device.run('upload');
    await device.run('update', objects, updates);
    await device.run('upload');
    const beside = (await device.runForNumber('jsonBytes')) / 1_024;
    await device.run('closeDevice');
    const what = `after ${groupDigits(updates)} updates of 1 000 objects, beside their JSON, KiB`;
    const toRow = (owner: string, bytes: number): LimitRow => ({
      label: `on the disk of the ${owner} ${what}`,
      ...{ value: bytes / 1_024, beside, target: null },
    });
    return [
      toRow('device', await device.runForNumber('diskBytes')),
      toRow('server', await server.runForNumber('diskBytes')),
    ];
  });

/** Milliseconds and KiB of a device that comes back after other devices have made changes. */
const measureCatchUp = (changes: number, needed: number): Promise<readonly [ms: number, kib: number]> =>
  runWithProcesses(async (processes) => {
    const server = await processes.start('server', 0);
    const port = await server.runForNumber('port');
    const proxy = await startThrottledProxy(port, Infinity);
    try {
      const absent = await processes.start('limits', proxy.port);
      await absent.run('catchUp');
      await absent.run('pause');
      const writer = await processes.start('limits', port);
      await writer.run('create', changes, needed);
      await writer.run('upload');
      await writer.run('closeDevice');
      const before = proxy.bytes().down;
      const [ms = NaN, found] = (await absent.run('catchUp')) as number[];
      if (found !== needed) throw new Error(`The device has ${found} of ${needed} needed objects.`);
      return [ms, (proxy.bytes().down - before) / 1_024] as const;
    } finally {
      proxy.close();
    }
  });

const catchUp = async ({ isQuick }: LimitsOptions): Promise<LimitRow[]> => {
  const [changes, needed] = isQuick ? [20_000, 200] : [100_000, 1_000];
  const [ms, kib] = await measureCatchUp(changes, needed);
  const [neededMs, neededKib] = await measureCatchUp(needed, needed);
  const missed = `${groupDigits(changes)} missed changes, ${groupDigits(needed)} of them needed`;
  const label = `catching up with ${missed}, beside only these`;
  return [
    { label: `${label}, ms`, value: ms, beside: neededMs, target: null },
    { label: `${label}, KiB received`, value: kib, beside: neededKib, target: null },
  ];
};

const writeCost = async ({ isQuick }: LimitsOptions): Promise<LimitRow[]> => {
  const [few, many] = [10_000, isQuick ? 100_000 : 1_000_000];
  const measure = (count: number): Promise<number> =>
    runWithProcesses(async (processes) =>
      (await processes.start('limits', 0)).runForNumber('writeCost', count, isQuick ? 10_000 : 30_000),
    );
  const beside = await measure(few);
  const value = await measure(many);
  const label = `a write with ${groupDigits(many)} objects, beside ${groupDigits(few)}, µs of processor time`;
  return [{ label, value, beside, target: { ratioMax: 1.3 } }];
};

const bytesPerSecond = 1_000_000;

const queueUpload = ({ queue }: LimitsOptions): Promise<LimitRow[]> =>
  runWithProcesses(async (processes) => {
    const server = await processes.start('server', 0);
    const proxy = await startThrottledProxy(await server.runForNumber('port'), bytesPerSecond);
    try {
      const device = await processes.start('limits', proxy.port);
      await device.run('create', queue);
      const value = (await device.runForNumber('upload')) / 1_000;
      const beside = proxy.bytes().up / bytesPerSecond;
      const label = `${groupDigits(queue)} unsent writes are accepted at 1 MB/s, beside the time of their bytes, s`;
      return [{ label, value, beside, target: null }];
    } finally {
      proxy.close();
    }
  });

export const limitMeasurements: Readonly<Record<LimitName, (options: LimitsOptions) => Promise<LimitRow[]>>> = {
  opening,
  import: importTimes,
  session: idleSession,
  clients: idleClients,
  disk: bytesOnDisk,
  'catch-up': catchUp,
  'write-cost': writeCost,
  queue: queueUpload,
};
