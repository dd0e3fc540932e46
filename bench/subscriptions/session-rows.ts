import { setTimeout as sleep } from 'node:timers/promises';
import type { LimitRow } from '../limits/limits-table.js';
import type { ProcessGroup } from '../processes.js';
import { groupDigits, runRounds, runWithProcesses, startProcesses } from './run-steps.js';
import type { SubscriptionsOptions } from './subscriptions-options.js';

/* Many devices as plain sockets, in ten realms. Each partial one has three filters that no other one has. */

const atOnce = 50;
const tasksOfRealm = 100;

/** Returns a round that restarts the server, with the milliseconds until all devices have everything again. */
const startRestart = async (processes: ProcessGroup, devices: number, isPartial: boolean) => {
  const history = 'history';
  let server = await processes.start('host', 0, history);
  const clients = await processes.start('clients', await server.runForNumber('port'));
  await clients.run('fillRealms', tasksOfRealm);
  await clients.run('join', devices, atOnce, Number(isPartial));
  return async (): Promise<readonly number[]> => {
    await clients.run('disconnect');
    await server.end();
    server = await processes.start('host', 0, history);
    const port = await server.runForNumber('port');
    await sleep(300);
    await server.run('count');
    const ms = await clients.runForNumber('reconnect', port);
    const [, , cpuMs = NaN] = (await server.run('counted')) as number[];
    return [ms, cpuMs];
  };
};

export const measureRestart = async ({ isQuick, rounds }: SubscriptionsOptions): Promise<LimitRow[]> => {
  const devices = isQuick ? 200 : 1_000;
  const [partial, full] = [startProcesses(), startProcesses()];
  try {
    const sides = [await startRestart(partial, devices, true), await startRestart(full, devices, false)];
    const [[value = NaN, cpuMs = NaN] = [], [beside = NaN, cpuMsBeside = NaN] = []] = await runRounds(sides, rounds, 1);
    const label = `${groupDigits(devices)} partial devices come back after a restart, beside full ones`;
    return [
      { label: `${label}, ms`, value, beside, target: { ratioMax: 1.3 } },
      { label: `${label}, ms of the server's processor`, value: cpuMs, beside: cpuMsBeside, target: null },
    ];
  } finally {
    partial.close();
    full.close();
  }
};

/** Returns KiB of resident memory, and of heap, of the server for each idle session. */
const measureSession = (devices: number, isPartial: boolean): Promise<readonly number[]> =>
  runWithProcesses(async (processes) => {
    const server = await processes.start('host', 0);
    const port = await server.runForNumber('port');
    const warmUp = await processes.start('clients', port);
    await warmUp.run('fillRealms', tasksOfRealm);
    await warmUp.run('join', devices, atOnce, Number(isPartial)); // The memory of this work does not count.
    await warmUp.end();
    await sleep(1_000);
    const before = (await server.run('memory')) as number[];
    const clients = await processes.start('clients', port);
    await clients.run('join', devices, atOnce, Number(isPartial));
    await sleep(3_000);
    const after = (await server.run('memory')) as number[];
    return after.map((kilobytes, at) => (kilobytes - (before[at] ?? NaN)) / devices);
  });

export const measureMemory = async ({ isQuick }: SubscriptionsOptions): Promise<LimitRow[]> => {
  const devices = isQuick ? 500 : 3_000;
  const [, value = NaN, heap = NaN, buffers = NaN] = await measureSession(devices, true);
  const [, beside = NaN, heapBeside = NaN, buffersBeside = NaN] = await measureSession(devices, false);
  const label = 'an idle session with three subscriptions, beside one of a full realm';
  return [
    { label: `${label}, KiB of the server's memory`, value, beside, target: isQuick ? null : { valueMax: 24 } },
    { label: `${label}, KiB of its heap`, value: heap, beside: heapBeside, target: { valueMax: 24 } },
    { label: `${label}, KiB of its buffers`, value: buffers, beside: buffersBeside, target: null },
  ];
};
