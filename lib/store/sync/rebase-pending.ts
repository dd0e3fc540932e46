import { map, type Observable, reduce } from 'rxjs';
import { applyOperation, type ObjectState } from '../../merge/object-state.js';
import { operationStampOf } from '../../merge/timestamp.js';
import { createBatchOwnership } from '../../merge/batch-ownership.js';
import type { Changeset } from '../../model/changeset.js';
import type { Key } from '../../model/value.js';
import type { Version } from '../../model/version.js';
import type { CommitContext } from '../commit/commit-context.js';
import type { ObjectChange } from '../objects/objects.js';
import { readOperations } from '../commit/outbox.js';
import { readLogPages } from '../read-pages.js';

/**
 * The changesets after a version, those on their way included. Emits once and completes; what follows it in the same
 * turn may build on them, because nothing has been written in between.
 */
export const readUnsent = (
  { outbox, queuedChangesets }: CommitContext,
  after: Version,
): Observable<readonly Changeset[]> =>
  readLogPages(outbox, after).pipe(
    reduce((all: Changeset[], { entries }) => {
      for (const entry of entries) all.push(entry);
      return all;
    }, []),
    map((stored) => {
      const late = new Map(queuedChangesets().map((changeset) => [changeset.version, changeset])); // The latest of each version.
      const last = Math.max(after, outbox.head);
      return [
        ...stored.map((changeset) => late.get(changeset.version) ?? changeset),
        ...[...late.values()].filter(({ version }) => version > last),
      ];
    }),
  );

/**
 * Whether a changeset that waits belongs on top of what the server gives. The server has dealt with some of them long
 * ago; those that are older than its horizon are in there, or gave way to a delete that is in there no more.
 */
export const isOnTop =
  ({ optimistic: { replica, decided } }: CommitContext) =>
  ({ version, time }: Changeset): boolean =>
    replica !== decided.replica || version > decided.version || time >= decided.retentionCutoff;

/** Some objects of a realm, by type and key. */
export type ObjectStates = Map<string, Map<Key, ObjectState | null>>;

export const setState = (states: ObjectStates, { type, key, state }: ObjectChange): void => {
  const table = states.get(type);
  if (table) table.set(key, state);
  else states.set(type, new Map([[key, state]]));
};

/**
 * Applies what changesets do to objects on top of what a sheet says of them; `wanted` says which of it. Throws a
 * `StorageError` for what cannot be read.
 */
export const replay = (
  states: ObjectStates,
  changesets: readonly Changeset[],
  replica: string,
  wanted: (type: string, key: Key, version: Version) => boolean,
): void => {
  const work = createBatchOwnership();
  for (const changeset of changesets) {
    readOperations(changeset).forEach((operation, index) => {
      const { type, key } = operation;
      if (!wanted(type, key, changeset.version)) return;
      const before = states.get(type)?.get(key) ?? undefined;
      setState(states, {
        type,
        key,
        state: applyOperation(before, operation, operationStampOf(changeset, replica, index), work),
      });
    });
  }
};

export const objectChangesOf = (states: ObjectStates): readonly ObjectChange[] =>
  [...states].flatMap(([type, table]) => [...table].map(([key, state]): ObjectChange => ({ type, key, state })));
