import { map, type Observable, reduce } from 'rxjs';
import { applyOperation, type ObjectState } from '../../merge/object-state.js';
import { operationStampOf } from '../../merge/timestamp.js';
import { createBatchOwnership } from '../../merge/batch-ownership.js';
import type { Changeset } from '../../model/changeset.js';
import type { Key } from '../../model/value.js';
import type { Version } from '../../model/version.js';
import type { CommitContext } from '../commit/commit-context.js';
import type { ObjectChange } from '../objects/object-change.js';
import { decodeStoredOperations } from '../commit/outbox.js';
import { readLogPages } from '../../log/read-log-pages.js';

/**
 * Reads the changesets after a version, pending ones included. Emits once and completes. Code that runs in the same
 * event-loop turn may build on the result, because nothing is written in between.
 */
export const readUnsent = (
  { outbox, queuedChangesets }: CommitContext,
  after: Version,
): Observable<readonly Changeset[]> =>
  readLogPages(after, (version) => outbox.page(Math.max(version, outbox.floor))).pipe(
    reduce((all: Changeset[], { entries }) => {
      for (const entry of entries) all.push(entry);
      return all;
    }, []),
    map((stored) => {
      // The latest of each version.
      const queued = new Map(queuedChangesets().map((changeset) => [changeset.version, changeset]));
      const last = Math.max(after, outbox.head);
      return [
        ...stored.map((changeset) => queued.get(changeset.version) ?? changeset),
        ...[...queued.values()].filter(({ version }) => version > last),
      ];
    }),
  );

/**
 * Whether an unsent changeset must be replayed on top of the server's objects. It must not if the server has decided it
 * and it is older than the retention cutoff: it is then part of those objects, or lost against a delete whose tombstone
 * was removed.
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
 * Applies changesets to the objects in `states`. `wanted` selects the operations. Throws a `StorageError` for
 * unreadable changesets.
 */
export const replay = (
  states: ObjectStates,
  changesets: readonly Changeset[],
  replica: string,
  wanted: (type: string, key: Key, version: Version) => boolean,
): void => {
  const work = createBatchOwnership();
  for (const changeset of changesets) {
    decodeStoredOperations(changeset).forEach((operation, index) => {
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
