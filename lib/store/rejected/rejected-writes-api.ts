import { map, type Observable, tap } from 'rxjs';
import type { Schema } from '../../model/schema.js';
import { InvalidStateError } from '../../model/errors.js';
import { copyValue, type Key, type Value } from '../../model/value.js';
import type { Version } from '../../model/version.js';
import type { Operation } from '../../merge/operation.js';
import { redoRejected } from './redo.js';
import type { CommitContext } from '../commit/commit-context.js';
import { toRejectionDelete, type KeptRejection } from './rejected-list.js';
import type { Transaction } from '../transaction/transaction-api.js';
import type { Instant } from '../../model/changeset.js';
import type { Shapes } from '../../model/schema.js';
import type { Objects } from '../objects/objects.js';
import type { View } from '../objects/object-view.js';
import type { TransactionDraft } from '../transaction/transaction.js';
import type { WriteExtras } from '../commit/write-extras.js';
import { changesOf, transact, type Written } from '../transaction/write.js';

/**
 * One object of a rejected transaction: the reason, and the current object.
 *
 * @see {@link RejectedTransaction}
 */
export interface RejectedObject {
  /** The type of the object. */
  readonly type: string;
  /** The primary key of the object. */
  readonly key: Key;
  /** The reason as a text for users: the one that `permit` returned, or a text of the server. */
  readonly reason: string;
  /** The object as it is in the realm now; `undefined` if it does not exist. */
  readonly current: View | undefined;
}

/** One operation of a rejected transaction, named as in docs/PROTOCOL.md. */
export type RejectedOperation = Operation;

/**
 * A transaction that the server rejected as a whole. The client has rolled it back, and keeps it until the app retries
 * or discards it.
 *
 * @example
 * ```ts
 * realm.rejectedWrites$.subscribe((all) => {
 *   for (const { id, reasonCode, objects } of all) {
 *     console.warn(reasonCode, objects.map(({ type, key, reason }) => `${type} ${key}: ${reason}`));
 *     void realm.discard(id);
 *   }
 * });
 * ```
 */
export interface RejectedTransaction {
  /** The id to pass to `retry` and `discard`. */
  readonly id: number;
  /** The client version that `realm.write` returned. */
  readonly version: Version;
  /** When the transaction was written, by the clock that stamps writes. */
  readonly writtenAt: Date;
  /**
   * The reason as a word: `not-permitted` (the server's rules), `permission-denied` (this user may no longer write),
   * `too-large`, `schema`, `bad-changeset`, or one that a later server adds.
   */
  readonly reasonCode: string;
  /** The rejected objects, each with the reason. */
  readonly objects: readonly RejectedObject[];
  /** The operations, in order. Each read returns a new copy. */
  readonly operations: readonly RejectedOperation[];
}

/** Lists, retries and discards rejected writes. */
export interface RejectedWritesApi {
  readonly rejectedWrites$: Observable<readonly RejectedTransaction[]>;
  readonly retry: <R>(id: number, change?: (tx: Transaction<Schema>) => R) => Observable<Written<R | undefined>>;
  readonly discard: (id: number) => Observable<Written<undefined>>;
  /**
   * Removes a rejected write, and runs a transaction in the same batch. `work` is called with that write; it does
   * nothing to discard it. Throws an `InvalidArgumentError` for an unknown id.
   */
  readonly settleRejected: <R>(
    method: 'retry' | 'discard',
    id: number,
    work: RejectedWork<R>,
    more?: WriteExtras,
  ) => Observable<Written<R>>;
}

type RejectedWork<R> = (draft: TransactionDraft, now: Instant, rejection: KeptRejection) => R;

export const rejectedTransactionOf =
  (objects: Pick<Objects, 'view'>) =>
  ({ id, changeset, writes, code, operations }: KeptRejection): RejectedTransaction =>
    Object.freeze({
      id,
      version: changeset.version,
      writtenAt: new Date(changeset.time),
      reasonCode: code,
      objects: Object.freeze(writes.map((write) => ({ ...write, current: objects.view(write.type, write.key) }))),
      get operations() {
        return operations.map((operation) => copyValue(operation as unknown as Value) as unknown as Operation);
      },
    });

/**
 * Retries or discards a rejected changeset. It is removed in the batch of the new write, so that a crash keeps both or
 * neither.
 */
const settleRejected = <R>(
  context: CommitContext,
  method: 'retry' | 'discard',
  id: number,
  work: RejectedWork<R>,
  more?: WriteExtras,
): Observable<Written<R>> => {
  const { rejectedList, optimistic } = context;
  context.checkOpen();
  if (optimistic.isWriting)
    throw new InvalidStateError(`realm.${method} was called inside a write. Call it afterwards.`);
  const rejection = rejectedList.reserve(id);
  try {
    const extras: WriteExtras = {
      changes: (version, start) => [toRejectionDelete(id), ...changesOf(more, version, start)],
      stored: () => {
        rejectedList.remove(id);
        more?.stored();
      },
    };
    return transact(context, (draft, now) => work(draft, now, rejection), extras).pipe(
      tap({ error: () => rejectedList.release(id) }),
    );
  } catch (thrown) {
    rejectedList.release(id);
    throw thrown;
  }
};

/** Performs the operations of a rejected write, or the changes of an app instead. */
export const retryWorkOf =
  <R>(shapes: Shapes, change?: (tx: Transaction<Schema>) => R): RejectedWork<R | undefined> =>
  (draft, now, rejection) => {
    if (change !== undefined) return change(draft.tx);
    redoRejected(draft.overlay, shapes, rejection, now);
    return undefined;
  };

export const createRejectedWritesApi = (context: CommitContext): RejectedWritesApi => ({
  rejectedWrites$: context.rejectedList.all$.pipe(
    map((all) => Object.freeze(all.map(rejectedTransactionOf(context.objects)))),
  ),
  retry: (id, change) => settleRejected(context, 'retry', id, retryWorkOf(context.shapes, change)),
  discard: (id) => settleRejected(context, 'discard', id, () => undefined),
  settleRejected: (method, id, work, more) => settleRejected(context, method, id, work, more),
});
