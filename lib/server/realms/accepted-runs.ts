import { map, of, type Observable } from 'rxjs';
import type { Run } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { Bind } from '../../protocol/messages.js';
import type { AcceptedRun, History, ReplicaRecord } from '../history/history.js';

/**
 * Returns the run that wrote a version, according to the runs in the replica's `bind`. Versions after the bind belong
 * to the last run, which is the present one.
 */
export const runOf = (announced: readonly Run[], version: Version): string | null =>
  (announced.find(({ lastVersion }) => version <= lastVersion) ?? announced.at(-1))?.id ?? null;

/** Returns the run of the next changeset: a new run, or the same one if it continues. */
export const nextRunOf = (before: AcceptedRun | null, id: string | null, from: Version): AcceptedRun | null =>
  id === null || before?.id === id ? before : { id, from, number: (before?.number ?? 0) + 1 };

/** Returns the number up to which runs are forgotten when this run begins. */
export const forgottenRunNumberOf = ({ number }: AcceptedRun): number => number - limits.runsMax;

/**
 * Returns the client version up to which client and server have the same changesets. One process writes a run from one
 * storage, so a run that both know proves that both agree up to the shorter end of the run. A clone of a running
 * machine breaks this: two processes share a run. So the present run proves nothing if the server knows more of it than
 * the client has written.
 */
export const agreedVersionOf = (
  announced: readonly Run[],
  known: readonly AcceptedRun[],
  accepted: Version,
): Version => {
  let agreed = 0;
  for (const [at, { id }] of known.entries()) {
    const upTo = (known[at + 1]?.from ?? accepted + 1) - 1;
    const index = announced.findIndex((run) => run.id === id);
    const run = announced[index];
    if (!run) continue;
    const isCloned = index === announced.length - 1 && upTo > run.lastVersion;
    if (!isCloned) agreed = Math.max(agreed, Math.min(upTo, run.lastVersion));
  }
  return agreed;
};

/**
 * Emits the client version up to which a binding replica and the server have the same changesets: `accepted`, unless
 * the replica is a copy. Emits once and completes. Reads the stored runs only if the latest one is not enough.
 */
export const compareRuns = (
  { runs: announced }: Bind,
  { id, accepted, run }: Pick<ReplicaRecord, 'accepted' | 'run'> & { readonly id: string },
  history: Pick<History, 'readRuns'>,
): Observable<Version> => {
  if (run === null || accepted === 0) return of(accepted);
  if (agreedVersionOf(announced, [run], accepted) === accepted) return of(accepted);
  return history.readRuns(id).pipe(map((known) => agreedVersionOf(announced, known, accepted)));
};
