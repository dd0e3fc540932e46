import { setTimeout as sleep } from 'node:timers/promises';
import type { LimitRow } from '../limits/limits-table.js';
import type { BenchmarkProcess, ProcessGroup } from '../processes.js';
import { groupDigits, runRounds, runWithProcesses } from './run-steps.js';
import type { SubscriptionsOptions } from './subscriptions-options.js';

const history = 'history';

/** Fills realms, and restarts the server, so that it reads from its storage. */
const fillRealms = async (processes: ProcessGroup, selected: number, sizes: readonly number[]) => {
  const filling = await processes.start('host', 0, history);
  const clients = await processes.start('clients', await filling.runForNumber('port'));
  for (const tasks of sizes) await clients.run('fill', tasks, Math.max(1, tasks / selected));
  await clients.end();
  await filling.end();
  const server = await processes.start('host', 0, history);
  return { server, port: await server.runForNumber('port') };
};

/** Returns a download with the milliseconds of the device and of the server's processor. */
const downloadOf =
  (server: BenchmarkProcess, device: BenchmarkProcess, cue: 'bootstrap' | 'full', tasks: number, selected: number) =>
  async (): Promise<readonly number[]> => {
    await server.run('count');
    const [ms = NaN, objects] = (await device.run(cue, tasks)) as number[];
    const [, , cpuMs = NaN] = (await server.run('counted')) as number[];
    if (objects !== selected) throw new Error(`${objects} objects of ${selected} arrived.`);
    return [ms, cpuMs];
  };

export const measureBootstrap = ({ objects, isQuick, rounds }: SubscriptionsOptions): Promise<LimitRow[]> =>
  runWithProcesses(async (processes) => {
    const selected = Math.min(10_000, objects / 50);
    const few = objects / 10;
    const { server, port } = await fillRealms(processes, selected, [objects, few, selected]);
    const device = await processes.start('partial', port);
    const download = (cue: 'bootstrap' | 'full', tasks: number) => downloadOf(server, device, cue, tasks, selected);
    for (const tasks of [objects, few]) await download('bootstrap', tasks)(); // The server builds the index.
    await sleep(isQuick ? 500 : 5_000); // LevelDB compacts it.
    const sides = [download('bootstrap', objects), download('bootstrap', few), download('full', selected)];
    const [ofMany = [], ofFew = [], full = []] = await runRounds(sides, rounds, 2);
    const some = groupDigits(selected);
    const what = `first download of ${some} of ${groupDigits(objects)} objects`;
    const [manyMs = NaN, manyCpuMs = NaN] = ofMany;
    const [fewMs = NaN, fewCpuMs = NaN] = ofFew;
    const [fullMs = NaN, fullCpuMs = NaN] = full;
    const isLarge = selected === 10_000;
    return [
      {
        label: `${what}, beside out of ${groupDigits(few)}, ms`,
        ...{ value: manyMs, beside: fewMs, target: { ratioMax: 1.3 } },
      },
      {
        label: `${what}, beside a whole realm of ${some}, ms`,
        ...{ value: manyMs, beside: fullMs, target: isLarge ? { valueMax: 400 } : null },
      },
      {
        label: `${what}, beside out of ${groupDigits(few)}, ms of the server's processor`,
        ...{ value: manyCpuMs, beside: fewCpuMs, target: isLarge ? { valueMax: 150 } : null },
      },
      {
        label: `${what}, beside a whole realm of ${some}, ms of the server's processor`,
        ...{ value: manyCpuMs, beside: fullCpuMs, target: null },
      },
    ];
  });

export const measureChange = ({ isQuick, rounds }: SubscriptionsOptions): Promise<LimitRow[]> =>
  runWithProcesses(async (processes) => {
    const selected = isQuick ? 2_000 : 10_000;
    const { port } = await fillRealms(processes, selected, [2 * selected]);
    const device = await processes.start('partial', port);
    const change = async (): Promise<readonly number[]> => {
      await device.run('open', 2 * selected);
      const nothing = (await device.run('subscribeAgain')) as number[];
      const [ms = NaN, bytes = NaN] = (await device.run('unsubscribe')) as number[];
      await device.run('closeDevice');
      return [...nothing, ms, bytes / selected];
    };
    const [[trips = NaN, objects = NaN, againMs = NaN, ms = NaN, bytes = NaN] = []] = await runRounds(
      [change],
      rounds,
      1,
    );
    const again = 'a subscription that adds nothing';
    const gone = `unsubscribing ${groupDigits(selected)} objects`;
    return [
      { label: `${again}, round trips`, value: trips, beside: null, target: { valueMax: 1 } },
      { label: `${again}, received objects`, value: objects, beside: null, target: { valueMax: 0 } },
      { label: `${again}, ms`, value: againMs, beside: null, target: null },
      { label: `${gone}, ms until they are off the device`, value: ms, beside: null, target: { valueMax: 300 } },
      { label: `${gone}, received bytes of each`, value: bytes, beside: null, target: { valueMax: 25 } },
    ];
  });
