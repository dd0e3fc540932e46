import { decodeValue, encodeValue } from '../../model/msgpack.js';
import type { Run } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import { isLeft } from '../../model/result.js';
import { isCount, type Version } from '../../model/version.js';
import type { StorageChange } from '../../storage/storage.js';
import { hashText } from './sha-256.js';
import { runsKey } from '../storage-keys.js';

/**
 * A run that wrote something, as it is stored: once, with its first changeset. It ends where the next one begins. A
 * copy of this storage draws another run when it is opened, so that what it writes is not taken for what this one
 * writes under the same versions.
 */
export interface StoredRun {
  readonly id: string;
  /** The first client version that was written in it. */
  readonly from: Version;
}

export const toRunsPut = (runs: readonly StoredRun[]): StorageChange => ({
  type: 'put',
  key: runsKey,
  value: encodeValue(runs.map(({ id, from }) => [id, from])),
});

/** The stored runs; `null` for bytes that are none. */
export const decodeRuns = (bytes: Uint8Array): readonly StoredRun[] | null => {
  const read = decodeValue(bytes);
  if (isLeft(read) || !Array.isArray(read.right)) return null;
  const runs: StoredRun[] = [];
  for (const row of read.right as unknown[]) {
    const [id, from] = Array.isArray(row) ? (row as unknown[]) : [];
    if (typeof id !== 'string' || !isCount(from) || from <= (runs.at(-1)?.from ?? 0)) return null;
    runs.push({ id, from });
  }
  return runs;
};

/** The runs that are not wholly below what is acknowledged: with the one that wrote the last acknowledged changeset. */
const unacknowledgedRunsOf = (runs: readonly StoredRun[], acknowledged: Version): readonly StoredRun[] =>
  runs.slice(
    Math.max(
      0,
      runs.findLastIndex(({ from }) => from <= acknowledged),
    ),
  );

/**
 * The runs once `id` writes a version. With more than a thousand that nobody has acknowledged, the last ones count as
 * one: they are the least likely to be on a server.
 */
export const addRun = (
  runs: readonly StoredRun[],
  { id, from }: StoredRun,
  acknowledged: Version,
): readonly StoredRun[] => {
  if (runs.at(-1)?.id === id) return runs;
  const known = unacknowledgedRunsOf(runs, acknowledged);
  const last = known.at(-1);
  // One place is left for a present run that has not written yet.
  return known.length < limits.runsMax - 1 || !last
    ? [...known, { id, from }]
    : [...known.slice(0, -1), { id, from: last.from }];
};

/** What a bind says of the runs, the present one last. */
export const bindRunsOf = (
  runs: readonly StoredRun[],
  present: string,
  { acknowledged, written }: { readonly acknowledged: Version; readonly written: Version },
): readonly Run[] => {
  const known = unacknowledgedRunsOf(runs, acknowledged);
  const told = known.map(({ id }, at): Run => ({ id, lastVersion: (known[at + 1]?.from ?? written + 1) - 1 }));
  return told.at(-1)?.id === present ? told : [...told, { id: present, lastVersion: written }];
};

/**
 * The name and the runs of the replica that goes on with the changesets from a version on, which the server does not
 * have of the one before. Copies that share these changesets come to the same name, so that they upload them once.
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
