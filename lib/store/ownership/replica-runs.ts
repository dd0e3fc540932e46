import { encodeValue } from '../../model/msgpack.js';
import type { Run } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import { createDamageError, decodeStoredFields, storedFieldsOf } from '../../model/stored-data.js';
import { isCount, type Version } from '../../model/version.js';
import type { StorageChange } from '../../storage/storage.js';
import { hashText } from './text-hash.js';
import { runsKey } from '../storage-keys.js';

/**
 * A run that wrote at least one changeset. Stored once, with its first changeset; it ends where the next run begins. A
 * copy of this storage gets another run id when it is opened. So the server can distinguish the changesets that both
 * copies write under the same client versions.
 */
export interface StoredRun {
  readonly id: string;
  /** The first client version that was written in this run. */
  readonly from: Version;
}

export const toRunsPut = (runs: readonly StoredRun[]): StorageChange => ({
  type: 'put',
  key: runsKey,
  value: encodeValue(runs.map(({ id, from }) => [id, from])),
});

/** Decodes the stored runs. Throws a `StorageError` for other bytes. */
export const decodeRuns = (key: string, bytes: Uint8Array): readonly StoredRun[] => {
  const runs: StoredRun[] = [];
  for (const row of decodeStoredFields(key, bytes)) {
    const [id, from] = storedFieldsOf(key, row);
    if (typeof id !== 'string' || !isCount(from) || from <= (runs.at(-1)?.from ?? 0))
      throw createDamageError('record', key);
    runs.push({ id, from });
  }
  return runs;
};

/** The runs from the one that wrote the last acknowledged changeset on. */
const unacknowledgedRunsOf = (runs: readonly StoredRun[], acknowledged: Version): readonly StoredRun[] =>
  runs.slice(
    Math.max(
      0,
      runs.findLastIndex(({ from }) => from <= acknowledged),
    ),
  );

/**
 * Returns the runs after `id` writes a version. When a thousand runs are unacknowledged, the last ones are merged into
 * one: they are the least likely to have reached a server.
 */
export const addRun = (
  runs: readonly StoredRun[],
  { id, from }: StoredRun,
  acknowledged: Version,
): readonly StoredRun[] => {
  if (runs.at(-1)?.id === id) return runs;
  const unacknowledged = unacknowledgedRunsOf(runs, acknowledged);
  const last = unacknowledged.at(-1);
  // Leaves room for a current run that has not written yet.
  return unacknowledged.length < limits.runsMax - 1 || !last
    ? [...unacknowledged, { id, from }]
    : [...unacknowledged.slice(0, -1), { id, from: last.from }];
};

/** The runs that a `bind` message lists, the current one last. */
export const bindRunsOf = (
  runs: readonly StoredRun[],
  current: string,
  { acknowledged, written }: { readonly acknowledged: Version; readonly written: Version },
): readonly Run[] => {
  const unacknowledged = unacknowledgedRunsOf(runs, acknowledged);
  const sent = unacknowledged.map(({ id }, at): Run => ({
    id,
    lastVersion: (unacknowledged[at + 1]?.from ?? written + 1) - 1,
  }));
  return sent.at(-1)?.id === current ? sent : [...sent, { id: current, lastVersion: written }];
};

/**
 * Returns the id and runs of the replica that continues with the changesets from a version on, when the server does not
 * have those of the old replica. The id is derived from the old id and the run. So two copies that share these
 * changesets get the same id and upload them once.
 */
export const branchOf = (
  replica: string,
  runs: readonly StoredRun[],
  from: Version,
): { readonly id: string; readonly runs: readonly StoredRun[] } => {
  const own = runs.slice(
    Math.max(
      0,
      runs.findLastIndex((run) => run.from <= from),
    ),
  );
  return {
    id: hashText(`${replica}/${own[0]?.id ?? ''}/${from}`),
    runs: own.map(({ id, from: first }) => ({ id, from: Math.max(1, first - from + 1) })),
  };
};
