import { defaultIfEmpty, firstValueFrom, lastValueFrom, of, type Observable } from 'rxjs';
import { memoryStorage } from '../../lib/index.js';
import { encodeOperations } from '../../lib/merge/operation-codec.js';
import type { ObjectState } from '../../lib/merge/object-state.js';
import type { Operation, Write } from '../../lib/merge/operation.js';
import type { History } from '../../lib/server/history/history.js';
import type { HistoryRecord } from '../../lib/server/history/history-record.js';
import { applySteps } from '../../lib/server/history/projection.js';
import { openHistory } from '../../lib/server/history/storage-history.js';
import { noTouches } from '../../lib/server/history/touches.js';
import { createAppendBatch } from '../../lib/server/uploads/append-batch.js';
import { recordTouches } from '../../lib/server/uploads/record-touches.js';
import { levelStorage } from '../../lib/storage/level.js';
import type { Storage } from '../../lib/storage/storage.js';
import type { Role } from '../processes.js';
import { taskKeyOf, taskValuesOf, watchedNames } from './task-schema.js';

/* The history of a server without sockets and sessions. */

const run = (work$: Observable<unknown>): Promise<unknown> => lastValueFrom(work$.pipe(defaultIfEmpty(null)));
const openTeam = (storage: Storage): Promise<History> =>
  firstValueFrom(openHistory(storage, 'team', { random: Math.random }));

const recordOf = ({ log, bytes }: History, body: Uint8Array): HistoryRecord => {
  const version = log.head + 1;
  return { version, origin: 'a', time: version, count: 0, body, total: bytes + body.byteLength + 32 };
};

const createTask = (index: number): Operation => ({
  ...{ kind: 'create', type: 'Task', key: taskKeyOf(index), values: taskValuesOf(index, 100) },
});
const updateTask = (index: number, values: Write['values']): Operation => ({
  ...{ kind: 'update', type: 'Task', key: taskKeyOf(index), values },
});

/** Returns the bytes of the touches of each changeset: of creates, of updates of two watched values, and of none. */
const measureTouchBytes = async (count: number): Promise<number[]> => {
  const history = await openTeam(memoryStorage());
  await run(history.watchedProperties.watch('Task', watchedNames, 0));
  const states = new Map<string, ObjectState>();
  const readStates = (texts: Iterable<string>) =>
    of(
      new Map(
        [...texts].flatMap((text) => {
          const state = states.get(text);
          return state === undefined ? [] : [[text, state] as const];
        }),
      ),
    );
  const measure = async (operationOf: (index: number) => Operation): Promise<number> => {
    let bytes = 0;
    for (let index = 0; index < count; index += 1) {
      const operations = [operationOf(index)];
      const batch = createAppendBatch(history);
      const { version, time, count: place, body, ...rest } = recordOf(history, encodeOperations(operations));
      batch.recorded.push({ version, time, count: place, body, ...rest });
      batch.incoming.push({ changeset: { version, time, count: place, body }, operationCount: 1, operations });
      await run(recordTouches(batch, { history, headState: { readStates } }));
      for (const [text, steps] of batch.known?.steps[0] ?? []) {
        const state = applySteps(states.get(text), steps);
        if (state !== undefined) states.set(text, state);
      }
      bytes += batch.recorded[0]?.touches?.byteLength ?? NaN;
    }
    return bytes / count;
  };
  return [
    await measure(createTask),
    await measure((index) => updateTask(index, { list: `list-${(index + 1) % 100}`, done: index % 2 !== 0 })),
    await measure((index) => updateTask(index, { title: `Buy ${index}` })),
  ];
};

const objectsPerChangeset = 20;
const rowsAtOnce = 10_000;

/** Returns the rows of the index, and the characters of their keys besides the values. */
const countIndex = async (storage: Storage): Promise<readonly [rows: number, characters: number]> => {
  let [rows, characters] = [0, 0];
  let from = 'realm/team/index/';
  for (;;) {
    const page = await firstValueFrom(
      storage.range({ from, to: 'realm/team/index0', limit: rowsAtOnce, bytesMax: Infinity }),
    );
    const last = page.at(-1);
    if (last === undefined) return [rows, characters / Math.max(1, rows)];
    for (const [key] of page) {
      rows += 1;
      characters += key.length - (key.split('/')[5]?.length ?? 0);
    }
    from = `${last[0]} `;
  }
};

/** Stores the objects of a history. Returns the milliseconds of processor time, and figures of the index. */
const measureProjection = async (location: string, objects: number, properties: number): Promise<number[]> => {
  const storage = await firstValueFrom(levelStorage(location));
  const history = await openTeam(storage);
  const watched = watchedNames.slice(0, properties);
  if (properties > 0) await run(history.watchedProperties.watch('Task', watched, 0));
  for (let from = 0; from < objects; from += objectsPerChangeset) {
    const body = encodeOperations(Array.from({ length: objectsPerChangeset }, (_, at) => createTask(from + at)));
    const record = recordOf(history, body);
    const changesets = [properties > 0 ? { ...record, touches: noTouches } : record];
    await run(history.append({ after: record.version - 1, changesets, replicas: new Map(), rejected: [], runs: [] }));
  }
  const cpu = process.cpuUsage();
  const began = performance.now();
  const { projection, log } = history;
  while (projection.cursor.version < log.head)
    await run(projection.advance(await firstValueFrom(log.page(projection.cursor.version))));
  const { user, system } = process.cpuUsage(cpu);
  const ms = performance.now() - began;
  const index = await countIndex(storage);
  await run(storage.close());
  return [(user + system) / 1_000, ms, ...index];
};

export const storedHistory: Role = ({ location }) => {
  let opened = 0;
  return Promise.resolve({
    touchBytes: (count = 0) => measureTouchBytes(count),
    project: (objects = 0, properties = 0) => measureProjection(`${location}-${++opened}`, objects, properties),
    end: () => Promise.resolve(0),
  });
};
