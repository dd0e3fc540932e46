import { EMPTY, type Observable, switchMap } from 'rxjs';
import type { Operation } from '../../merge/operation.js';
import type { Rebase } from '../../merge/rebase.js';
import { restampState, type StampShift, createShiftRebase } from '../../merge/restamp.js';
import { compareInstants, lastInstantOf, laterInstantOf, nextInstantOf, writerIdOf } from '../../merge/timestamp.js';
import type { Changeset, Instant } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Key } from '../../model/value.js';
import type { Version } from '../../model/version.js';
import { checkNotWriting, type CommitContext, type CommitRequest } from '../commit/commit-context.js';
import type { ObjectWithState } from '../objects/objects.js';
import { readOperations, rebaseBody } from '../commit/outbox.js';
import { isResetting } from './reset-store.js';
import { readUnsent } from './rebase-pending.js';
import { toObjectPut } from '../transaction/write.js';

/** What a server said of the time. */
export interface ReceivedServerTime {
  /** Its clock, in milliseconds since the epoch. */
  readonly serverTime: number;
  /** How far it is ahead of this device's. */
  readonly offset: number;
  /** How far that may be wrong. */
  readonly margin: number;
  /** The client version up to which the server has taken or refused changesets; absent: none. */
  readonly decided?: Version;
  /** Its horizon: nothing is taken that is stamped before this time. Missing: everything is. */
  readonly retentionCutoff?: number;
}

/** The offset that counts from now on: what can be told from the one before, and from none. */
const correctOffset = (known: number, { offset, margin }: ReceivedServerTime): number => {
  const found = Math.round(offset);
  if (!Number.isSafeInteger(found) || Math.abs(found - known) <= margin) return known;
  return Math.abs(found) <= margin ? 0 : found;
};

interface DecodedChangeset {
  readonly changeset: Changeset;
  readonly operations: readonly Operation[];
}

const decodeBody = (changeset: Changeset): DecodedChangeset => ({ changeset, operations: readOperations(changeset) });

interface RestampPlan {
  readonly shifts: readonly StampShift[];
  readonly moved: readonly DecodedChangeset[];
  /** The instant of the last operation, moved or not. */
  readonly last: Instant;
}

/**
 * New instants for unsent changesets: each becomes earlier, or stays what it is. So it is still later than all that
 * came from others, which is what it was; and whatever the realm shows, it shows the same.
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

/** The objects that some changesets touched, as they are when those have always been stamped so. */
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
 * Stamps again, in one batch. Builds on what is there in this turn, so that what is written from now on builds on it.
 */
const restampChangesets = (context: CommitContext, { shifts, moved, last }: RestampPlan): CommitRequest | null => {
  const { optimistic, objects, outbox } = context;
  if (moved.length === 0) return null;
  checkNotWriting(optimistic, 'A clock correction');
  const rebase = createShiftRebase(shifts, optimistic.replica);
  const changesets = moved.map((each) => changesetOf(each, rebase));
  // A name may take more bytes than the one before. Rather a wrong time than a change that no server takes.
  if (changesets.some(({ body }) => body.byteLength > limits.changesetBytesMax)) return null;
  const touched = restampObjects(context, moved, rebase);
  optimistic.instant = last;
  objects.stage(touched);
  return {
    changes: [...touched.map(toObjectPut), ...outbox.toReplaceChanges(changesets)],
    metadata: { instant: last },
    durable: true,
    stored: () => {
      objects.settle(touched);
      context.replaceInOutbox(changesets);
    },
  };
};

/** How far a clock may have been ahead for what was local to keep its times. */
const localClockErrorMs = 5 * 60 * 1000;

/** Forgotten in a power cut, the next bind says it again. */
const emptyTask: CommitRequest = { changes: [], metadata: {}, durable: false, stored: () => undefined };

/** Takes note of the server's time in this turn, and brings some of the unsent changesets to it. */
const applyServerTime = (
  context: CommitContext,
  told: ReceivedServerTime,
  unsent: readonly Changeset[],
): Observable<never> => {
  const { optimistic } = context;
  const { serverTime } = told;
  // After a server's clock that was wrong, its horizon may be ahead of the time that it says.
  const floor: Instant = { time: told.retentionCutoff ?? 0, count: 0 };
  optimistic.instant = laterInstantOf(optimistic.instant, floor);
  const { decided = 0 } = told; // What it decided on goes out again after a refusal that was not heard.
  const offset = correctOffset(optimistic.clockOffset, told);
  const error = optimistic.clockOffset - offset; // Below zero it was behind: then nothing becomes earlier.
  // What went out may be on its way into the history, whatever `bound` says: the server tells what is durable.
  const handed = optimistic.lastSent.replica === optimistic.replica ? optimistic.lastSent.version : 0;
  // What was local has its true names only as long as it has its times: a clock that was a little ahead is not worth
  // those.
  const isJoined = (time: number): boolean =>
    error <= localClockErrorMs && writerIdOf(optimistic.replica, time) !== optimistic.replica;
  const plan = planRestamps(
    unsent.filter(({ version }) => version > optimistic.acknowledged).map(decodeBody),
    laterInstantOf(optimistic.remoteInstant, floor),
    {
      // What is too far ahead for any server cannot be on its way into one.
      isFree: ({ version, time }) =>
        version > decided &&
        ((version > handed && !(isJoined(time) && time <= serverTime)) || time > serverTime + limits.stampAheadMsMax),
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
 * Takes note of the server's time: writes are stamped by it from now on. What was written while this device's clock was
 * ahead of it, and was never uploaded, is stamped again as if the clock had always been right; what was written while
 * it was behind stays.
 */
export const correctClock = (context: CommitContext, told: ReceivedServerTime): Observable<never> => {
  const { optimistic } = context;
  const { replica } = optimistic;
  if (!isResetting(context))
    optimistic.decided = { replica, version: told.decided ?? 0, retentionCutoff: told.retentionCutoff ?? 0 };
  const isAhead = optimistic.instant.time > told.serverTime + told.margin;
  const isDue = isAhead || correctOffset(optimistic.clockOffset, told) < optimistic.clockOffset;
  if (!isDue || isResetting(context)) return applyServerTime(context, told, []);
  return readUnsent(context, optimistic.acknowledged).pipe(
    switchMap((found) => {
      const isLate = isResetting(context) || replica !== optimistic.replica; // Another replica's by now: its bind says the time again.
      return applyServerTime(context, told, isLate ? [] : found);
    }),
  );
};
