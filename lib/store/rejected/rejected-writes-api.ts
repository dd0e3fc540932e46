import { map, type Observable, tap } from 'rxjs';
import type { Schema } from '../../model/schema.js';
import { copyValue, type Key, type Value } from '../../model/value.js';
import type { Version } from '../../model/version.js';
import type { Operation } from '../../merge/operation.js';
import { redoRejected } from './redo.js';
import type { CommitContext } from '../commit/commit-context.js';
import { toRejectionDelete, type KeptRejection } from './rejected-list.js';
import type { Transaction } from '../transaction/transaction.js';
import type { View } from '../objects/object-view.js';
import { type WriteExtras, transact, type Written } from '../transaction/write.js';

/** One object of a refused transaction: why, and what stands. */
export interface RejectedObject {
  readonly type: string;
  readonly key: Key;
  readonly reason: string;
  /** The object as it is in the realm now; `undefined`: there is none. */
  readonly current: View | undefined;
}

/** One thing that a refused transaction was to do, as docs/PROTOCOL.md names operations. */
export type RejectedOperation = Operation;

/** A transaction that the server refused, all of it. It was taken back here, and is kept until the app decides. */
export interface RejectedTransaction {
  /** Its name for `retry` and `discard`. */
  readonly id: number;
  /** The client version that its write gave. */
  readonly version: Version;
  /** When it was written, by the clock that stamps writes. */
  readonly writtenAt: Date;
  /**
   * Why, as a word: `not-permitted` (the server's rules), `permission-denied` (this user may not write any more),
   * `too-large`, `schema`, `bad-changeset`, or one of a later server.
   */
  readonly reasonCode: string;
  readonly objects: readonly RejectedObject[];
  /** What it was to do, in order. A copy whenever it is read. */
  readonly operations: readonly RejectedOperation[];
}

/** What becomes of refused writes. */
export interface RejectedWritesApi {
  readonly rejectedWrites$: Observable<readonly RejectedTransaction[]>;
  readonly retry: <R>(id: number, change?: (tx: Transaction<Schema>) => R) => Observable<Written<R | undefined>>;
  readonly discard: (id: number) => Observable<Written<undefined>>;
}

const rejectedTransactionOf =
  ({ objects }: CommitContext) =>
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

/** Decides about a refusal in the batch of the write that does so: a crash leaves both or neither. */
const decideOnce = <R>(
  context: CommitContext,
  id: number,
  write: (refusal: KeptRejection, also: WriteExtras) => Observable<R>,
): Observable<R> => {
  const { rejectedList } = context;
  context.checkOpen();
  const refusal = rejectedList.reserve(id);
  try {
    const also: WriteExtras = { changes: [toRejectionDelete(id)], stored: () => rejectedList.remove(id) };
    return write(refusal, also).pipe(tap({ error: () => rejectedList.release(id) }));
  } catch (thrown) {
    rejectedList.release(id);
    throw thrown;
  }
};

export const createRejectedWritesApi = (context: CommitContext): RejectedWritesApi => ({
  rejectedWrites$: context.rejectedList.all$.pipe(map((all) => Object.freeze(all.map(rejectedTransactionOf(context))))),
  retry: (id, change) =>
    decideOnce(context, id, (refusal, also) =>
      transact(
        context,
        (draft, now) => {
          if (change !== undefined) return change(draft.tx);
          redoRejected(draft.overlay, context.shapes, refusal, now);
          return undefined;
        },
        also,
      ),
    ),
  discard: (id) => decideOnce(context, id, (_, also) => transact(context, () => undefined, also)),
});
