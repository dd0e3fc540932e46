import { concat, defer, EMPTY, type Observable } from 'rxjs';
import { createRandomId } from '../../clock.js';
import { encodeOperations } from '../../merge/operation-codec.js';
import { isAlive } from '../../merge/object-state.js';
import type { Operation } from '../../merge/operation.js';
import { rebaseOperation } from '../../merge/rebase.js';
import { compareInstants, createJoinedId } from '../../merge/timestamp.js';
import type { Changeset, Instant } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { CommitContext } from '../commit/commit-context.js';
import type { ObjectChange } from '../objects/objects.js';
import { isVisible, stateOf } from '../objects/lazy-object.js';
import { operationBytesOf, piecesOf } from '../transaction/operation-pieces.js';
import { type DatedOperation, recreateOperations } from './recreate-operations.js';
import { commitNewReplica } from './reset-store.js';
import { acknowledge } from './apply-download.js';
import { toObjectChange } from '../transaction/write.js';

/*
 * A local realm keeps no outbox: it would grow for ever; and nothing of what was deleted. The day it syncs, what it then has is what
 * it has to say. One that has ever been bound to a server, and is opened without, keeps what it writes for that server.
 */

/** Deletes what was kept of deleted objects while the realm had, or could have had, a server. */
const deleteTombstones = (context: CommitContext): Observable<never> => {
  const gone: ObjectChange[] = [];
  for (const [type, table] of context.objects.tables()) {
    for (const [key, entry] of table)
      if (!isVisible(entry) && !isAlive(stateOf(entry))) gone.push({ type, key, state: null });
  }
  if (gone.length === 0) return EMPTY;
  context.objects.stage(gone);
  return context.commit({
    ...{ changes: gone.map(toObjectChange), metadata: {}, durable: true },
    stored: () => context.objects.settle(gone),
  });
};

/** From now on nothing is kept for a server, if there never was one. Completes when what was kept is gone. */
export const becomeLocalOnly = (context: CommitContext): Observable<never> =>
  context.durable().hasBeenBound
    ? EMPTY
    : concat(
        acknowledge(context, context.outbox.head, context.optimistic.replica),
        defer(() => {
          context.optimistic.isLocalOnly = true;
          return deleteTombstones(context);
        }),
      );

/** Whether an operation can share a changeset with one that is stamped just before it. */
const isNextInstant = (last: Instant, { time, count }: Instant): boolean =>
  time === last.time && count === last.count + 1;

/** Operations in changesets of about a page each, in their order, each stamped with its instant. */
const changesetsOf = (all: readonly DatedOperation[]): readonly Changeset[] => {
  const changesets: Changeset[] = [];
  let waiting: Operation[] = [];
  let first: Instant = { time: 0, count: 0 };
  let last: Instant = first;
  let bytes = 0;
  const close = (): void => {
    const { time, count } = first;
    if (waiting.length > 0)
      changesets.push({ version: changesets.length + 1, time, count, body: encodeOperations(waiting) });
    waiting = [];
    bytes = 0;
  };
  const add = (instant: Instant, operation: Operation, size: number): void => {
    // No two were written at one instant, but for the pieces of a large one: those follow a count later.
    const isLater = compareInstants(instant, last) > 0;
    const at = isLater ? instant : { time: last.time, count: last.count + 1 };
    if (!isNextInstant(last, at) || bytes + size > limits.pageBytesMax) close();
    if (waiting.length === 0) first = at;
    last = at;
    waiting.push(operation);
    bytes += size;
  };
  for (const { instant, operation } of all) {
    const size = operationBytesOf(operation);
    for (const piece of piecesOf(operation, size))
      add(instant, piece, piece === operation ? size : operationBytesOf(piece));
  }
  close();
  return changesets;
};

/** All that readers see, as it was written: each operation is stamped with the instant at which that was. */
const datedOperationsOf = ({ objects }: CommitContext): readonly DatedOperation[] => {
  const all: DatedOperation[] = [];
  for (const { type, key, state } of objects.listStored()) {
    if (isAlive(state)) for (const dated of recreateOperations(type, key, state)) all.push(dated);
  }
  return all.sort((a, b) => compareInstants(a.instant, b.instant));
};

/**
 * The replica that says what a local realm has: its name tells where and up to when that was written, so that it is the
 * same, and not twice there, when a copy of the realm says it, too.
 */
const createJoiningReplica = ({ optimistic, clock }: CommitContext): string => {
  const id = createRandomId(clock);
  const name = createJoinedId(optimistic.replica, optimistic.instant.time, id);
  return name.length <= limits.idCharsMax ? name : id;
};

const join = (context: CommitContext): Observable<never> => {
  const { replica: from, instant } = context.optimistic;
  const replica = createJoiningReplica(context);
  const rebase = { from, to: replica, toInstant: ({ time, count }: Instant): Instant => ({ time, count }) };
  const dated = datedOperationsOf(context).map((each) => ({
    ...each,
    operation: rebaseOperation(each.operation, rebase),
  }));
  // What it writes from now on is its own: at a later time.
  return commitNewReplica(context, {
    replica,
    changesets: changesetsOf(dated),
    lastInstant: { time: instant.time + 1, count: 0 },
  });
};

/**
 * A realm that was local so far has something to say to its first server: all of its objects, as they were written.
 * Nothing happens to another one.
 */
export const joinIfLocal = (context: CommitContext): Observable<never> =>
  !context.durable().hasBeenBound && context.outbox.floor > 0 ? join(context) : EMPTY;
