import { defer, map, type Observable, switchMap } from 'rxjs';
import { instantsOf } from '../../merge/collection-state.js';
import { lastInstantOf, laterInstantOf } from '../../merge/timestamp.js';
import { decodeState } from '../../merge/state-codec.js';
import {
  type Changeset,
  type Instant,
  nameTextOf,
  type RejectedChangeset,
  type ServerObjectState,
} from '../../model/changeset.js';
import { InvalidArgumentError, StorageError, UnreadableChangeError } from '../../model/errors.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import { isLeft } from '../../model/result.js';
import type { Key } from '../../model/value.js';
import type { Version } from '../../model/version.js';
import type { CommitContext, CommitRequest } from '../commit/commit-context.js';
import type { ObjectChange } from '../objects/objects.js';
import { readOperations } from '../commit/outbox.js';
import { isResetting } from '../sync/reset-store.js';
import type { KeptRejection } from './rejected-list.js';
import { reportOf } from '../objects/set-aside.js';
import { objectChangesOf, isOnTop, setState, replay, type ObjectStates } from '../sync/rebase-pending.js';
import { toObjectChange } from '../transaction/write.js';

/**
 * What stands, whatever this app's schema says of it. Throws an `UnreadableChangeError` for bytes that are no state.
 */
export const decodeServerState = (version: number, standing: ServerObjectState): ObjectChange => {
  const { type, key, state } = standing;
  if (state === null) return { type, key, state };
  const read = decodeState(state);
  if (isLeft(read)) throw new UnreadableChangeError(version, `what stands for ${type}[${key}]: ${read.left}`);
  return { type, key, state: read.right };
};

/** The realm's clock after it has seen a state: what is written next is later than what stands. */
export const advanceInstant = (instant: Instant, { state }: ObjectChange): Instant => {
  if (state === null) return instant;
  let last: Instant = instant;
  const see = (stamp: Instant | null): void => {
    if (stamp) last = laterInstantOf(last, stamp);
  };
  see(state.born);
  see(state.died);
  if (state.laterStamps) Object.values(state.laterStamps).forEach(see);
  if (state.collections) instantsOf(state.collections).forEach(see);
  return last === instant ? instant : { time: last.time, count: last.count };
};

const isHandled = ({ optimistic, outbox }: CommitContext, { version }: RejectedChangeset): boolean =>
  version <= optimistic.acknowledged || version > outbox.head;

/** What stands in the place of refused changesets, and the last refusal that says so of each object. */
const serverStatesOf = (refusals: readonly RejectedChangeset[]) => {
  const standing: ObjectChange[] = [];
  const saidBy = new Map<string, Version>();
  for (const { version, serverStates: given } of refusals) {
    for (const one of given) {
      standing.push(decodeServerState(version, one));
      saidBy.set(nameTextOf(one), version);
    }
  }
  return { standing, saidBy };
};

/** Takes refused changesets out of these. Throws a `StorageError` when one is missing. */
const takeRejected = (
  byVersion: Map<Version, Changeset>,
  refusals: readonly RejectedChangeset[],
  { replica, rejectedCount }: CommitContext['optimistic'],
): readonly KeptRejection[] =>
  refusals.map(({ version, writes, code }, at) => {
    const changeset = byVersion.get(version);
    if (!changeset) throw new StorageError(`entry ${version} of the outbox is missing`);
    byVersion.delete(version);
    return { id: rejectedCount + at + 1, changeset, replica, writes, code, operations: readOperations(changeset) };
  });

/** Builds on what is there in this turn, so that what is written from now on builds on it. */
const commitRollback = (
  context: CommitContext,
  refusals: readonly RejectedChangeset[],
  changesets: readonly Changeset[],
): Observable<SetAsideReport> => {
  const { optimistic, objects, outbox, outboxSize } = context;
  const version = refusals.at(-1)?.version ?? optimistic.acknowledged;
  if (optimistic.isWriting) throw new InvalidArgumentError('refuse', 'no call inside of a write', version);
  const others = new Map(changesets.map((changeset) => [changeset.version, changeset]));
  const taken = takeRejected(others, refusals, optimistic);
  const { standing, saidBy } = serverStatesOf(refusals);
  const states: ObjectStates = new Map();
  for (const one of standing) setState(states, one);
  const isLater = (type: string, key: Key, by: Version): boolean =>
    by > (saidBy.get(nameTextOf({ type, key })) ?? Infinity);
  replay(states, [...others.values()].filter(isOnTop(context)), optimistic.replica, isLater);
  const changed = objectChangesOf(states);

  // Later than what stands, and than what was taken before it.
  const known = taken.reduce(
    (last: Instant, { changeset, operations }) => laterInstantOf(last, lastInstantOf(changeset, operations.length)),
    optimistic.remoteInstant,
  );
  const witnessed = standing.reduce(advanceInstant, known);
  const instant = laterInstantOf(optimistic.instant, witnessed);
  optimistic.acknowledged = version;
  optimistic.rejectedCount += taken.length;
  optimistic.remoteInstant = witnessed;
  const kept = context.rejectedList.keep(taken);
  optimistic.instant = instant;
  const misfits = objects.stage(changed);
  const bytes = { acknowledgedBytes: outboxSize.countBytesUpTo(version) };
  const task: CommitRequest = {
    changes: [...changed.map(toObjectChange), ...outbox.toTrimChanges(version), ...kept.changes],
    metadata: {
      acknowledged: version,
      ...bytes,
      rejectedCount: optimistic.rejectedCount,
      instant,
      remoteInstant: witnessed,
    },
    durable: true,
    stored: () => {
      outbox.confirmTrim(version);
      outboxSize.acknowledge(version);
      objects.settle(changed);
      kept.stored();
    },
  };
  return context.commit(
    task,
    reportOf(objects, misfits, () => optimistic.downloadedTo),
  );
};

/** What of the outbox matters to refusals, what is on its way included. */
const readAffected = (
  { touchedObjects, queuedChangesets, outbox }: CommitContext,
  refusals: readonly RejectedChangeset[],
): Observable<readonly Changeset[]> => {
  const versions = refusals.map(({ version }) => version);
  const objects = refusals.flatMap(({ serverStates }) => serverStates);
  return touchedObjects.readChangesets(versions, objects).pipe(
    map((stored) => {
      const late = new Map(queuedChangesets().map((changeset) => [changeset.version, changeset])); // The latest of each version.
      return [
        ...stored.map((changeset) => late.get(changeset.version) ?? changeset),
        ...[...late.values()].filter(({ version }) => version > outbox.head),
      ];
    }),
  );
};

/**
 * Takes refused changesets back, in one batch: as many as were refused one after the other. What was dealt with, or was
 * never written, changes nothing.
 */
export const rollBackRejected = (
  context: CommitContext,
  refusals: readonly RejectedChangeset[],
): Observable<SetAsideReport> => {
  const { replica } = context.optimistic;
  const left = (): readonly RejectedChangeset[] =>
    replica !== context.optimistic.replica || isResetting(context)
      ? []
      : refusals.filter((each) => !isHandled(context, each));
  const fresh = left();
  if (fresh.length === 0) return context.waitForCommits();
  return readAffected(context, fresh).pipe(
    switchMap((changesets) =>
      defer(() => {
        const still = left();
        return still.length === 0 ? context.waitForCommits() : commitRollback(context, still, changesets);
      }),
    ),
  );
};
