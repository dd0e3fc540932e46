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
import type { ObjectChange } from '../objects/object-change.js';
import { isVisible, stateOf } from '../objects/lazy-object.js';
import { operationBytesOf, piecesOf } from '../transaction/operation-pieces.js';
import { type DatedOperation, recreateOperations } from './recreate-operations.js';
import { commitNewReplica } from './reset-store.js';
import { acknowledge } from './trim-outbox.js';

/*
 * A local realm keeps neither an outbox, which would grow without limit, nor tombstones. When it gets a server, its
 * current objects are uploaded. A realm that was ever bound to a server keeps its changesets for that server, even
 * while it is open without one.
 */

/** Removes the tombstones that were kept while the realm had, or could have had, a server. */
const deleteTombstones = (context: CommitContext): Observable<never> => {
  const removals: ObjectChange[] = [];
  for (const [type, table] of context.objects.tables()) {
    for (const [key, entry] of table)
      if (!isVisible(entry) && !isAlive(stateOf(entry))) removals.push({ type, key, state: null });
  }
  if (removals.length === 0) return EMPTY;
  const { changes, settle } = context.objects.stage(removals);
  return context.commit({ changes, metadata: {}, durable: true, stored: settle });
};

/**
 * Stops keeping changesets, unless the realm was ever bound to a server. Completes when the earlier ones are removed.
 */
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

/** Whether an operation can share a changeset with the one that is stamped just before it. */
const isNextInstant = (last: Instant, { time, count }: Instant): boolean =>
  time === last.time && count === last.count + 1;

/** Groups operations, in their order, into changesets of about one page. Each operation keeps its instant. */
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
    // Only the pieces of a large operation share an instant: they get the following counts.
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

/** Recreates the operations for all visible objects. Each has the instant at which it was written. */
const datedOperationsOf = ({ objects }: CommitContext): readonly DatedOperation[] => {
  const all: DatedOperation[] = [];
  for (const { type, key, state } of objects.listStored()) {
    if (isAlive(state)) for (const dated of recreateOperations(type, key, state)) all.push(dated);
  }
  return all.sort((a, b) => compareInstants(a.instant, b.instant));
};

/**
 * Creates the id of the replica that uploads a local realm. The id contains the local replica and the time up to which
 * it has written. So a copy of the realm that is uploaded too creates the same operations, and they are merged.
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
  // Later writes belong to the new replica and are stamped at a later time.
  return commitNewReplica(context, {
    replica,
    changesets: changesetsOf(dated),
    lastInstant: { time: instant.time + 1, count: 0 },
  });
};

/**
 * Puts all objects of a realm that was always local into the outbox, as they were written, for its first server. Does
 * nothing for other realms.
 */
export const joinIfLocal = (context: CommitContext): Observable<never> =>
  !context.durable().hasBeenBound && context.outbox.floor > 0 ? join(context) : EMPTY;
