import type { LimitRow } from '../limits/limits-table.js';
import { groupDigits, runRounds, runWithProcesses } from './run-steps.js';
import type { SubscriptionsOptions } from './subscriptions-options.js';

/* The parts of a server that write more in a watched realm, each in a process of its own without sockets. */

export const measureTouches = (): Promise<LimitRow[]> =>
  runWithProcesses(async (processes) => {
    const stored = await processes.start('stored', 0);
    const [created = NaN, changed = NaN, same = NaN] = (await stored.run('touchBytes', 5_000)) as number[];
    const rowOf = (what: string, value: number, valueMax: number): LimitRow => ({
      label: `stored values of three watched properties, bytes of ${what}`,
      ...{ value, beside: null, target: { valueMax } },
    });
    return [
      rowOf('each new object', created, 60),
      rowOf('each object with two new values', changed, 60),
      rowOf('each object with none', same, 4), // With the place of the object, and the frame of the bytes.
    ];
  });

export const measureProjection = ({ isQuick, rounds }: SubscriptionsOptions): Promise<LimitRow[]> =>
  runWithProcesses(async (processes) => {
    const objects = isQuick ? 10_000 : 50_000;
    const stored = await processes.start('stored', 0);
    const project = (properties: number) => async () => (await stored.run('project', objects, properties)) as number[];
    const [[value = NaN, , , rowBytes = NaN] = [], [beside = NaN] = []] = await runRounds(
      [project(3), project(0)],
      rounds,
      1,
    );
    const label = `storing ${groupDigits(objects)} objects with three indexed properties, beside none`;
    return [
      { label: `${label}, ms of processor time`, value, beside, target: { ratioMax: 1.4 } },
      {
        label: 'an object in the index of a property, bytes besides its value',
        ...{ value: rowBytes, beside: null, target: { valueMax: 40 } },
      },
    ];
  });
