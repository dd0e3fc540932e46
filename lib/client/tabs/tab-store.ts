import { catchError, map, type Observable, switchMap } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Schema, Shapes } from '../../model/schema.js';
import type { Instant } from '../../model/changeset.js';
import type { KeptRejection } from '../../store/rejected/rejected-list.js';
import { redoRejected } from '../../store/rejected/redo.js';
import { rejectedTransactionOf } from '../../store/rejected/rejected-writes-api.js';
import { createReadApi } from '../../store/store.js';
import { StorageTakenOverError } from '../../model/taken-over-error.js';
import type { LocalStore } from '../../store/store.js';
import {
  type MirroredStore,
  plainWrite,
  type UnstoredWrite,
  type WriteMethod,
} from '../../store/tabs/mirrored-store.js';
import type { Transaction } from '../../store/transaction/transaction-api.js';
import type { TransactionDraft } from '../../store/transaction/transaction.js';
import { statsOf } from '../../store/transfer/stats.js';
import { type Written, workOf } from '../../store/transaction/write.js';
import type { RealmStore } from '../open-plan.js';
import type { TabRoles } from './tab-roles.js';

/** The work of a write. With the rejected write that it retries, if this tab leads. */
type TabWork<R> = (draft: TransactionDraft, now: Instant, rejection?: KeptRejection) => R;

/** Creates the store of a shared realm as handles use it: the leader stores the writes, here or in another tab. */
export const createTabStore = (
  mirror: MirroredStore,
  roles: Pick<TabRoles, 'store' | 'store$'>,
  sendLater: () => void,
  { shapes, clock }: { readonly shapes: Shapes; readonly clock: Clock },
): RealmStore => {
  const { objects, checkOpen, changes$ } = mirror;
  const parts = { shapes, objects, clock, checkOpen };
  const transact = <R>(work: TabWork<R>, how: WriteMethod = plainWrite): Observable<Written<R>> => {
    const { store } = roles;
    if (store) return transactAsLeader(store, work, how);
    sendLater();
    return mirror.transact(work, how);
  };
  /** Another tab may take over the storage before the write is stored. Then that tab performs it. */
  const transactAsLeader = <R>(store: LocalStore, work: TabWork<R>, how: WriteMethod): Observable<Written<R>> => {
    let unstored: UnstoredWrite<R> | null = null;
    let resent$: Observable<Written<R>> | null = null; // The outcome may be subscribed to more than once.
    const noteWork: TabWork<R> = (draft, now, rejection) => {
      const result = work(draft, now, rejection);
      unstored = { operations: draft.overlay.operations, now, result };
      return result;
    };
    const { method, rejected } = how;
    const written$ = method === 'write' ? store.transact(noteWork) : store.settleRejected(method, rejected, noteWork);
    return written$.pipe(
      catchError((thrown: unknown) => {
        if (!(thrown instanceof StorageTakenOverError) || unstored === null) throw thrown;
        sendLater();
        return (resent$ ??= mirror.resend(unstored, how));
      }),
    );
  };
  return {
    ...createReadApi({ ...parts, changes$ }),
    context: {
      ...parts,
      get outbox() {
        return roles.store?.context.outbox;
      },
    },
    transact: (work) => transact(work),
    write: (change) => transact(workOf(change)),
    retry: <R>(rejected: number, change?: (tx: Transaction<Schema>) => R) => {
      if (change !== undefined) return transact(workOf(change), { method: 'retry', rejected, isWithBody: true });
      const redo: TabWork<R | undefined> = ({ overlay }, now, rejection) => {
        if (rejection) redoRejected(overlay, shapes, rejection, now);
        return undefined;
      };
      return transact(redo, { method: 'retry', rejected, isWithBody: false });
    },
    discard: (rejected) => transact(() => undefined, { method: 'discard', rejected, isWithBody: false }),
    rejectedWrites$: roles.store$.pipe(
      switchMap((store) => store?.context.rejectedList.all$ ?? mirror.rejected$),
      map((all) => Object.freeze(all.map(rejectedTransactionOf(objects)))),
    ),
    setAside$: objects.setAside.all$,
    stats: () => roles.store?.stats() ?? mirroredStatsOf(mirror, shapes),
  };
};

const noRealm = { replica: '', history: null, downloadedTo: 0, downloadedBytes: 0 };

const mirroredStatsOf = (mirror: MirroredStore, shapes: Shapes) => {
  const { objects, checkOpen, outbox, metadata } = mirror;
  const { written: head, acknowledged: floor, bytes } = outbox;
  return statsOf({
    ...{ shapes, objects, checkOpen, outbox: { head, floor } },
    outboxSize: { countBytesUpTo: (version) => (version === floor ? 0 : bytes) },
    rejectedList: { count: () => mirror.countRejected() },
    durable: () => metadata ?? noRealm,
  });
};
