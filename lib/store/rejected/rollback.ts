import { defer, type Observable, switchMap } from 'rxjs';
import { instantsOf } from '../../merge/collection-state.js';
import { lastInstantOf, laterInstantOf } from '../../merge/timestamp.js';
import { decodeState } from '../../merge/state-codec.js';
import {
  type Changeset,
  type Instant,
  nameTextOf,
  type ObjectName,
  type RejectedChangeset,
  type ServerObjectState,
} from '../../model/changeset.js';
import { UnreadableChangeError } from '../../model/errors.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import { isLeft } from '../../model/result.js';
import { createDamageError } from '../../model/stored-data.js';
import type { Key } from '../../model/value.js';
import type { Version } from '../../model/version.js';
import { checkNotWriting, type CommitContext, type CommitRequest } from '../commit/commit-context.js';
import type { ObjectChange } from '../objects/object-change.js';
import { decodeStoredOperations } from '../commit/outbox.js';
import type { MetadataRecord } from '../metadata.js';
import { isResetting } from '../sync/reset-store.js';
import type { KeptRejection } from './rejected-list.js';
import { reportOf } from '../objects/set-aside-errors.js';
import { readTouching } from './touched-objects.js';
import { objectChangesOf, isOnTop, setState, replay, type ObjectStates } from '../sync/rebase-pending.js';

/** Decodes a server state, whatever this app's schema. Throws an `UnreadableChangeError` for invalid bytes. */
export const decodeServerState = (version: number, serverState: ServerObjectState): ObjectChange => {
  const { type, key, state } = serverState;
  if (state === null) return { type, key, state };
  const read = decodeState(state);
  if (isLeft(read))
    throw new UnreadableChangeError(version, `the server state of ${type} ${key} cannot be decoded: ${read.left}`);
  return { type, key, state: read.right };
};

/** Advances the realm's clock past a received state, so that the next write is later than the server state. */
export const advanceInstant = (instant: Instant, { state }: ObjectChange): Instant => {
  if (state === null) return instant;
  let last: Instant = instant;
  const advance = (stamp: Instant | null): void => {
    if (stamp) last = laterInstantOf(last, stamp);
  };
  advance(state.born);
  advance(state.died);
  if (state.laterStamps) Object.values(state.laterStamps).forEach(advance);
  if (state.collections) instantsOf(state.collections).forEach(advance);
  return last === instant ? instant : { time: last.time, count: last.count };
};

const isHandled = ({ optimistic, outbox }: CommitContext, { version }: RejectedChangeset): boolean =>
  version <= optimistic.acknowledged || version > outbox.head;

/** The server states of rejected changesets, and for each object the last rejected version that has a state of it. */
const serverStatesOf = (rejections: readonly RejectedChangeset[]) => {
  const serverStates: ObjectChange[] = [];
  const versionByObject = new Map<string, Version>();
  for (const { version, serverStates: given } of rejections) {
    for (const one of given) {
      serverStates.push(decodeServerState(version, one));
      versionByObject.set(nameTextOf(one), version);
    }
  }
  return { serverStates, versionByObject };
};

/** Removes the rejected changesets from `byVersion` and returns them. Throws a `StorageError` when one is missing. */
const takeRejected = (
  byVersion: Map<Version, Changeset>,
  rejections: readonly RejectedChangeset[],
  { replica, rejectedCount }: CommitContext['optimistic'],
): readonly KeptRejection[] =>
  rejections.map(({ version, writes, code }, at) => {
    const changeset = byVersion.get(version);
    if (!changeset) throw createDamageError('unsent change', version, 'it is missing');
    byVersion.delete(version);
    return {
      id: rejectedCount + at + 1,
      changeset,
      replica,
      writes,
      code,
      operations: decodeStoredOperations(changeset),
    };
  });

/** Notes up to which version server states are later than the objects of a view. */
const statesAheadOf = (
  rejections: readonly RejectedChangeset[],
  downloadedTo: Version,
): Partial<Pick<MetadataRecord, 'rejectedUpTo'>> => {
  const upTo = rejections.reduce((last, { upTo: version = 0 }) => Math.max(last, version), 0);
  return upTo > downloadedTo ? { rejectedUpTo: upTo } : {};
};

const detachedUpTo = ({ views }: CommitContext, rejections: readonly RejectedChangeset[]): readonly ObjectName[] =>
  views?.detachedUpTo(rejections.at(-1)?.version ?? 0) ?? [];

/** Builds on the state in this event-loop turn, synchronously, so that later writes build on the result. */
const commitRollback = (
  context: CommitContext,
  rejections: readonly RejectedChangeset[],
  changesets: readonly Changeset[],
): Observable<SetAsideReport> => {
  const { optimistic, objects, outbox, outboxSize } = context;
  const version = rejections.at(-1)?.version ?? optimistic.acknowledged;
  checkNotWriting(optimistic, 'A rollback');
  const others = new Map(changesets.map((changeset) => [changeset.version, changeset]));
  const taken = takeRejected(others, rejections, optimistic);
  const { serverStates, versionByObject } = serverStatesOf(rejections);
  const states: ObjectStates = new Map();
  for (const one of serverStates) setState(states, one);
  const isLater = (type: string, key: Key, by: Version): boolean =>
    by > (versionByObject.get(nameTextOf({ type, key })) ?? Infinity);
  replay(states, [...others.values()].filter(isOnTop(context)), optimistic.replica, isLater);
  const ended = context.views?.endDetached(version, [...others.values()], serverStates);
  for (const { type, key } of ended?.removals ?? []) states.get(type)?.delete(key);
  const changed = [...objectChangesOf(states), ...(ended?.removals ?? [])];

  // Later than the server states, and than the changesets that are rolled back.
  const afterRejected = taken.reduce(
    (last: Instant, { changeset, operations }) => laterInstantOf(last, lastInstantOf(changeset, operations.length)),
    optimistic.remoteInstant,
  );
  const remoteInstant = serverStates.reduce(advanceInstant, afterRejected);
  const instant = laterInstantOf(optimistic.instant, remoteInstant);
  optimistic.acknowledged = version;
  optimistic.rejectedCount += taken.length;
  optimistic.remoteInstant = remoteInstant;
  const kept = context.rejectedList.keep(taken);
  optimistic.instant = instant;
  const staged = objects.stage(changed);
  const bytes = { acknowledgedBytes: outboxSize.countBytesUpTo(version) };
  const task: CommitRequest = {
    changes: [...staged.changes, ...outbox.toTrimChanges(version), ...kept.changes, ...(ended?.changes ?? [])],
    metadata: {
      acknowledged: version,
      ...bytes,
      rejectedCount: optimistic.rejectedCount,
      ...statesAheadOf(rejections, optimistic.downloadedTo),
      instant,
      remoteInstant,
    },
    durable: true,
    stored: () => {
      outbox.confirmTrim(version);
      outboxSize.acknowledge(version);
      staged.settle();
      kept.stored();
      ended?.stored();
    },
  };
  return context.commit(
    task,
    reportOf(objects, staged.misfits, () => optimistic.downloadedTo),
  );
};

/**
 * Rolls back rejected changesets in one batch. Changesets that were already handled, or were never written, are
 * ignored.
 */
export const rollBackRejected = (
  context: CommitContext,
  rejections: readonly RejectedChangeset[],
): Observable<SetAsideReport> => {
  const { replica } = context.optimistic;
  const listUnhandled = (): readonly RejectedChangeset[] =>
    replica !== context.optimistic.replica || isResetting(context)
      ? []
      : rejections.filter((each) => !isHandled(context, each));
  const open = listUnhandled();
  if (open.length === 0) return context.waitForCommits();
  const detached = detachedUpTo(context, open);
  // The rejected changesets, and later ones that touch the same objects.
  return readTouching(
    context,
    open.map(({ version }) => version),
    [...open.flatMap(({ serverStates }) => serverStates), ...detached],
  ).pipe(
    switchMap((changesets) =>
      defer(() => {
        const still = listUnhandled();
        if (still.length === 0) return context.waitForCommits();
        // Again, if another object was detached meanwhile.
        return detachedUpTo(context, still).every((each) => detached.includes(each))
          ? commitRollback(context, still, changesets)
          : rollBackRejected(context, rejections);
      }),
    ),
  );
};
