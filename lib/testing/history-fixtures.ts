import { firstValueFrom, type Observable } from 'rxjs';
import { encodeOperations } from '../merge/operation-codec.js';
import type { Operation } from '../merge/operation.js';
import { bytesOf } from '../model/changeset.js';
import type { Addition, History, ReplicaRecord } from '../server/history/history.js';
import type { Row } from '../server/history/stored-objects.js';
import type { HistoryRecord } from '../server/history/history-record.js';
import { allOf, assertSame } from './suite-assertions.js';

/** Milliseconds since the epoch of the first changeset of a history; each other one is a millisecond later. */
export const historyStart = Date.UTC(2026, 0, 1);

export const createTask = (key: string, title = ''): Operation => ({
  kind: 'create',
  type: 'Task',
  key,
  values: { title },
});
export const deleteTask = (key: string): Operation => ({ kind: 'delete', type: 'Task', key });
export const createTasks = (count: number): readonly Operation[] =>
  Array.from({ length: count }, (_, n) => createTask(`k${String(n).padStart(6, '0')}`));

/** Creates a changeset for each operation, at the end of a history. Those of a watched one have touches. */
export const createChangesets = (
  { log, bytes, watchedProperties: { types } }: Pick<History, 'log' | 'bytes' | 'watchedProperties'>,
  operations: readonly Operation[],
  origin = 'one',
): readonly HistoryRecord[] => {
  let total = bytes;
  return operations.map((operation, index) => {
    const [body, version] = [encodeOperations([operation]), log.head + index + 1];
    total += bytesOf({ body });
    const record = { version, origin, time: historyStart + version, count: 0, body, total };
    return types.size === 0 ? record : { ...record, touches: new Uint8Array(0) };
  });
};

/** The record of a replica up to a client version. */
export const createReplicaRecord = (accepted: number, hasRejected = false): ReplicaRecord => ({
  ...{ user: 'anna', accepted, hasRejected: hasRejected },
  stamp: accepted > 0 ? { time: historyStart + accepted, count: 1 } : null,
  run: accepted > 0 ? { id: 'run', from: 1, number: 1 } : null,
});

export const createRejection = (replica: string, version: number) => ({
  replica,
  version,
  writes: [{ type: 'Task', key: `k${version}`, reason: 'not yours' }],
  code: 'not-permitted',
});

export const additionOf = (
  history: Pick<History, 'log' | 'bytes' | 'watchedProperties'>,
  operations: readonly Operation[],
  more: Partial<Addition> = {},
): Addition => ({
  after: history.log.head,
  changesets: createChangesets(history, operations),
  replicas: new Map(),
  rejected: [],
  runs: [],
  ...more,
});

/** Waits for the end of some work, which must not emit. */
export const waitUntilDone = async (what: string, work$: Observable<never>): Promise<void> =>
  assertSame(`emissions of ${what}`, await allOf(work$), []);

export const appendOperations = (
  history: History,
  operations: readonly Operation[],
  more?: Partial<Addition>,
): Promise<void> => waitUntilDone('append', history.append(additionOf(history, operations, more)));

/** All changesets after a version, read page by page. */
export const changesetsOf = async ({ log }: History, after = log.floor): Promise<readonly HistoryRecord[]> => {
  const all: HistoryRecord[] = [];
  for (let upTo = after; upTo < log.head;) {
    const page = await firstValueFrom(log.page(upTo));
    assertSame(
      `versions of a page after ${upTo}`,
      page.entries.map(({ version }) => version),
      page.entries.map((_, index) => upTo + 1 + index),
    );
    assertSame(`the end of a page after ${upTo}`, page.upTo, upTo + (page.entries.length || NaN));
    all.push(...page.entries);
    upTo = page.upTo;
  }
  return all;
};

/** Advances the objects to the end of the history, a number of changesets at a time. */
export const advanceProjection = async ({ log, projection }: History, most = Infinity): Promise<void> => {
  while (projection.cursor.version < log.head) {
    const before = projection.cursor.version;
    const entries = (await firstValueFrom(log.page(before))).entries.slice(0, most);
    const upTo = entries.at(-1)?.version ?? NaN;
    await waitUntilDone('advance', projection.advance({ entries, upTo }));
    assertSame('the version of the objects', projection.cursor.version, upTo);
  }
};

export const rowsOf = async ({ projection }: History): Promise<readonly Row[]> => {
  const rows: Row[] = [];
  for (;;) {
    const page = await firstValueFrom(projection.readRows(rows.at(-1)?.[0] ?? null));
    if (page.length === 0) return rows;
    rows.push(...page);
  }
};

/** All content of a history, with the records of some replicas. */
export const contentsOf = async (history: History, replicas: readonly string[]): Promise<object> => {
  const { id, bytes, retentionCutoff, log, projection } = history;
  const { version, total, objects, bytes: objectBytes } = projection.cursor;
  return {
    ...{ id, bytes, retentionCutoff, head: log.head, floor: log.floor },
    changesets: await changesetsOf(history),
    replicas: await Promise.all(replicas.map((replica) => firstValueFrom(history.readReplica(replica)))),
    rejected: await Promise.all(replicas.map((replica) => firstValueFrom(history.readRejected(replica)))),
    cursors: (await allOf(history.cursors$)).flat(),
    cursor: { version, total, objects, bytes: objectBytes },
    rows: await rowsOf(history),
  };
};
