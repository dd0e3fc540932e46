import { map, of, type Observable } from 'rxjs';
import type { Run } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { Bind } from '../../protocol/messages.js';
import type { AcceptedRun, History, ReplicaRecord } from '../history/history.js';

/**
 * The run that wrote a version, by what the replica's `bind` said. What is written after the bind is of the present
 * run, the last one.
 */
export const runOf = (told: readonly Run[], version: Version): string | null =>
  (told.find(({ lastVersion }) => version <= lastVersion) ?? told.at(-1))?.id ?? null;

/** The run that follows another one; the same one when it goes on. */
export const nextRunOf = (before: AcceptedRun | null, id: string | null, from: Version): AcceptedRun | null =>
  id === null || before?.id === id ? before : { id, from, number: (before?.number ?? 0) + 1 };

/** Runs of this place and before are forgotten when a run begins. */
export const forgottenRunNumberOf = ({ number }: AcceptedRun): number => number - limits.runsMax;

/**
 * The client version up to which both have the same changesets. A run is written by one process from one storage, so
 * one that both know says that all is the same up to where the shorter of both ends. But two processes may have drawn
 * one run, when a running machine was cloned: a present run of which the server knows more than the client has written
 * says nothing.
 */
export const agreedVersionOf = (told: readonly Run[], known: readonly AcceptedRun[], accepted: Version): Version => {
  let agreed = 0;
  for (const [at, { id }] of known.entries()) {
    const upTo = (known[at + 1]?.from ?? accepted + 1) - 1;
    const index = told.findIndex((run) => run.id === id);
    const ours = told[index];
    if (!ours) continue;
    const isCloned = index === told.length - 1 && upTo > ours.lastVersion;
    if (!isCloned) agreed = Math.max(agreed, Math.min(upTo, ours.lastVersion));
  }
  return agreed;
};

/**
 * The client version up to which a replica that binds and the server have the same changesets: `accepted`, unless the
 * replica is a copy. Emits once and completes; reads the runs of the history only when the latest one does not say.
 */
export const compareRuns = (
  { runs: told }: Bind,
  { id, accepted, run }: Pick<ReplicaRecord, 'accepted' | 'run'> & { readonly id: string },
  history: Pick<History, 'readRuns'>,
): Observable<Version> => {
  if (run === null || accepted === 0) return of(accepted);
  if (agreedVersionOf(told, [run], accepted) === accepted) return of(accepted);
  return history.readRuns(id).pipe(map((known) => agreedVersionOf(told, known, accepted)));
};
