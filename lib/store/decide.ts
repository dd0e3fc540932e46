import { map, type Observable, tap } from 'rxjs';
import type { Schema } from '../model/schema.js';
import { copied, type Key, type Value } from '../model/value.js';
import type { Version } from '../model/version.js';
import type { Operation } from '../merge/operation.js';
import { performAgain } from './again.js';
import type { Desk } from './desk.js';
import { forgets, type KeptRefusal } from './refusals.js';
import type { Transaction } from './transaction.js';
import type { View } from './views.js';
import { type Also, transact, type Written } from './write.js';

/** One object of a refused transaction: why, and what stands. */
export interface RefusedObject {
  readonly type: string;
  readonly key: Key;
  readonly reason: string;
  /** The object as it is in the realm now; `undefined`: there is none. */
  readonly stands: View | undefined;
}

/** One thing that a refused transaction was to do, as docs/PROTOCOL.md names operations. */
export type RefusedOperation = Operation;

/** A transaction that the server refused, all of it. It was taken back here, and is kept until the app decides. */
export interface RefusedTransaction {
  /** Its name for `retry` and `discard`. */
  readonly id: number;
  /** The client version that its write gave. */
  readonly version: Version;
  /** When it was written, by the clock that stamps writes. */
  readonly writtenAt: Date;
  /**
   * Why, as a word: `not-permitted` (the server's rules), `permission-denied` (this user may not write any more), `too-large`, `schema`,
   * `bad-changeset`, or one of a later server.
   */
  readonly reasonCode: string;
  readonly objects: readonly RefusedObject[];
  /** What it was to do, in order. A copy whenever it is read. */
  readonly operations: readonly RefusedOperation[];
}

/** What becomes of refused writes. */
export interface RefusedSide {
  readonly refused$: Observable<readonly RefusedTransaction[]>;
  readonly retry: <R>(id: number, change?: (tx: Transaction<Schema>) => R) => Observable<Written<R | undefined>>;
  readonly discard: (id: number) => Observable<Written<undefined>>;
}

const shownOf =
  ({ objects }: Desk) =>
  ({ id, changeset, writes, code, operations }: KeptRefusal): RefusedTransaction =>
    Object.freeze({
      id,
      version: changeset.version,
      writtenAt: new Date(changeset.time),
      reasonCode: code,
      objects: Object.freeze(writes.map((write) => ({ ...write, stands: objects.view(write.type, write.key) }))),
      get operations() {
        return operations.map((operation) => copied(operation as unknown as Value) as unknown as Operation);
      },
    });

/** Decides about a refusal in the batch of the write that does so: a crash leaves both or neither. */
const decided = <R>(
  desk: Desk,
  id: number,
  write: (refusal: KeptRefusal, also: Also) => Observable<R>,
): Observable<R> => {
  const { refusals } = desk;
  desk.whileOpen();
  const refusal = refusals.claimed(id);
  try {
    const also: Also = { changes: [forgets(id)], stored: () => refusals.gone(id) };
    return write(refusal, also).pipe(tap({ error: () => refusals.released(id) }));
  } catch (thrown) {
    refusals.released(id);
    throw thrown;
  }
};

export const refusedSide = (desk: Desk): RefusedSide => ({
  refused$: desk.refusals.all$.pipe(map((all) => Object.freeze(all.map(shownOf(desk))))),
  retry: (id, change) =>
    decided(desk, id, (refusal, also) =>
      transact(
        desk,
        (draft, now) => {
          if (change !== undefined) return change(draft.tx);
          performAgain(draft.sheet, desk.shapes, refusal, now);
          return undefined;
        },
        also,
      ),
    ),
  discard: (id) => decided(desk, id, (_, also) => transact(desk, () => undefined, also)),
});
