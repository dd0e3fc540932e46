import { EMPTY, type Observable, switchMap } from 'rxjs';
import type { Operation } from '../../merge/operation.js';
import type { Rebase } from '../../merge/rebase.js';
import { restampState, type StampShift, createShiftRebase } from '../../merge/restamp.js';
import { compareInstants, lastInstantOf, laterInstantOf, nextInstantOf, writerIdOf } from '../../merge/timestamp.js';
import type { Changeset, Instant } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Key } from '../../model/value.js';
import type { ServerClockReading } from '../../model/sync-port.js';
import { checkNotWriting, type CommitContext, type CommitRequest } from '../commit/commit-context.js';
import type { ObjectWithState } from '../objects/object-change.js';
import { decodeStoredOperations, rebaseBody } from '../commit/outbox.js';
import { isResetting } from './reset-store.js';
import { readUnsent } from './rebase-pending.js';

/**
 * Returns the new offset. Differences within the margin of error do not change it, and an offset within the margin
 * counts as 0.
 */
const correctOffset = (before: number, { offset, margin }: ServerClockReading): number => {
  const found = Math.round(offset);
  if (!Number.isSafeInteger(found) || Math.abs(found - before) <= margin) return before;
  return Math.abs(found) <= margin ? 0 : found;
};

interface DecodedChangeset {
  readonly changeset: Changeset;
  readonly operations: readonly Operation[];
}

const decodeBody = (changeset: Changeset): DecodedChangeset => ({
  changeset,
  operations: decodeStoredOperations(changeset),
});

interface RestampPlan {
  readonly shifts: readonly StampShift[];
  readonly moved: readonly DecodedChangeset[];
  /** The instant of the last operation, whether its stamp changes or not. */
  readonly last: Instant;
}

/**
 * Plans new instants for unsent changesets. An instant becomes earlier or stays, and remains later than all operations
 * of other replicas. So readers see no change.
 */
const planRestamps = (
  unsent: readonly DecodedChangeset[],
  after: Instant,
  { isFree, timeOf }: { isFree: (changeset: Changeset) => boolean; timeOf: (time: number) => number },
): RestampPlan => {
  const shifts: StampShift[] = [];
  const moved: DecodedChangeset[] = [];
  let last = after;
  for (const each of unsent) {
    const { changeset, operations } = each;
    const { time, count } = changeset;
    const to = nextInstantOf(last, timeOf(time));
    const moves = isFree(changeset) && compareInstants(to, changeset) < 0;
    if (moves) {
      shifts.push({ from: { time, count }, operations: operations.length, to });
      moved.push(each);
    }
    last = laterInstantOf(last, lastInstantOf(moves ? to : changeset, operations.length));
  }
  return { shifts, moved, last };
};

const changesetOf = ({ changeset, operations }: DecodedChangeset, rebase: Rebase): Changeset => {
  const { version, body } = changeset;
  const { time, count } = rebase.toInstant(changeset) ?? changeset;
  return { version, time, count, body: rebaseBody(body, operations, rebase) };
};

/** The states of the objects that some changesets touched, with the new stamps. */
const restampObjects = (
  { objects }: CommitContext,
  moved: readonly DecodedChangeset[],
  rebase: Rebase,
): readonly ObjectWithState[] => {
  const touched = new Map<string, Map<Key, ObjectWithState>>();
  for (const { type, key } of moved.flatMap(({ operations }) => operations)) {
    let table = touched.get(type);
    if (!table) touched.set(type, (table = new Map<Key, ObjectWithState>()));
    if (table.has(key)) continue;
    const state = objects.latestState(type, key);
    if (state) table.set(key, { type, key, state: restampState(state, rebase) });
  }
  return [...touched.values()].flatMap((table) => [...table.values()]);
};

/**
 * Creates the batch with the new stamps. Builds on the state in this event-loop turn, synchronously, so that later
 * writes build on the result.
 */
const restampChangesets = (context: CommitContext, { shifts, moved, last }: RestampPlan): CommitRequest | null => {
  const { optimistic, objects, outbox } = context;
  if (moved.length === 0) return null;
  checkNotWriting(optimistic, 'A clock correction');
  const rebase = createShiftRebase(shifts, optimistic.replica);
  const changesets = moved.map((each) => changesetOf(each, rebase));
  // A new stamp may take more bytes than the old one. Keep the wrong time rather than exceed the size that a server
  // accepts.
  if (changesets.some(({ body }) => body.byteLength > limits.changesetBytesMax)) return null;
  const touched = restampObjects(context, moved, rebase);
  optimistic.instant = last;
  const staged = objects.stage(touched);
  return {
    changes: [...staged.changes, ...outbox.toReplaceChanges(changesets)],
    metadata: { instant: last },
    durable: true,
    stored: () => {
      staged.settle();
      context.replaceInOutbox(changesets);
    },
  };
};

/** Maximum error of a local realm's clock, in milliseconds, up to which its changesets keep their times. */
const localClockErrorMs = 5 * 60 * 1000;

/** Not durable: after a power cut the next bind reports the offset again. */
const emptyTask: CommitRequest = { changes: [], metadata: {}, durable: false, stored: () => undefined };

/** Applies the server's time in this event-loop turn and gives new stamps to some of the unsent changesets. */
const applyServerTime = (
  context: CommitContext,
  received: ServerClockReading,
  unsent: readonly Changeset[],
): Observable<never> => {
  const { optimistic } = context;
  const { serverTime } = received;
  // If the server's clock was wrong before, its retention cutoff may be later than its current time.
  const floor: Instant = { time: received.retentionCutoff ?? 0, count: 0 };
  optimistic.instant = laterInstantOf(optimistic.instant, floor);
  // Changesets up to `decided` are sent again if the client did not receive their rejection.
  const { decided = 0 } = received;
  const offset = correctOffset(optimistic.clockOffset, received);
  // Negative if this device's clock was behind: then no stamp becomes earlier.
  const error = optimistic.clockOffset - offset;
  // Changesets that were sent may still reach the history, whatever `bound` reports: the server reports durable ones
  // only.
  const sent = optimistic.lastSent.replica === optimistic.replica ? optimistic.lastSent.version : 0;
  // `writerIdOf` derives the writer of a formerly local changeset from its time. Keeps that time if the clock error is
  // small.
  const isJoined = (time: number): boolean =>
    error <= localClockErrorMs && writerIdOf(optimistic.replica, time) !== optimistic.replica;
  const plan = planRestamps(
    unsent.filter(({ version }) => version > optimistic.acknowledged).map(decodeBody),
    laterInstantOf(optimistic.remoteInstant, floor),
    {
      // No server has accepted a changeset whose stamp is too far ahead, so it may change even if it was sent.
      isFree: ({ version, time }) =>
        version > decided &&
        ((version > sent && !(isJoined(time) && time <= serverTime)) || time > serverTime + limits.stampAheadMsMax),
      timeOf: (time) => Math.min(time - error, serverTime),
    },
  );
  const task = restampChangesets(context, plan);
  optimistic.clockOffset = offset;
  if (task) return context.commit({ ...task, metadata: { ...task.metadata, clockOffset: offset } });
  return offset === context.durable().clockOffset
    ? EMPTY
    : context.commit({ ...emptyTask, metadata: { clockOffset: offset } });
};

/**
 * Applies the server's time to the stamps of all later writes. Changesets that were written while this device's clock
 * was ahead, and were never sent, get the stamps that a correct clock would have given. Those that were written while
 * it was behind keep their stamps.
 */
export const correctClock = (context: CommitContext, received: ServerClockReading): Observable<never> => {
  const { optimistic } = context;
  const { replica } = optimistic;
  if (!isResetting(context))
    optimistic.decided = { replica, version: received.decided ?? 0, retentionCutoff: received.retentionCutoff ?? 0 };
  const isAhead = optimistic.instant.time > received.serverTime + received.margin;
  const isDue = isAhead || correctOffset(optimistic.clockOffset, received) < optimistic.clockOffset;
  if (!isDue || isResetting(context)) return applyServerTime(context, received, []);
  return readUnsent(context, optimistic.acknowledged).pipe(
    switchMap((found) => {
      // Another replica by now: its own bind reports the time again.
      const isLate = isResetting(context) || replica !== optimistic.replica;
      return applyServerTime(context, received, isLate ? [] : found);
    }),
  );
};
