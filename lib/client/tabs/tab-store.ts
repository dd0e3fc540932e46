import { catchError, map, type Observable, switchMap } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Shapes } from '../../model/schema.js';
import { rejectedTransactionOf } from '../../store/rejected/rejected-writes-api.js';
import { createReadApi } from '../../store/store.js';
import { StorageTakenOverError } from '../../model/taken-over-error.js';
import type { LocalStore } from '../../store/store.js';
import type { MirroredStore, UnstoredWrite } from '../../store/tabs/mirrored-store.js';
import type { TransactionDraft } from '../../store/transaction/transaction.js';
import { statsOf } from '../../store/transfer/stats.js';
import { type Written, workOf } from '../../store/transaction/write.js';
import type { RealmStore } from '../open-plan.js';
import type { TabRoles } from './tab-roles.js';

/** Creates the store of a shared realm as handles use it: the leader stores the writes, here or in another tab. */
export const createTabStore = (
  mirror: MirroredStore,
  roles: Pick<TabRoles, 'store' | 'store$'>,
  sendLater: () => void,
  { shapes, clock }: { readonly shapes: Shapes; readonly clock: Clock },
): RealmStore => {
  const { objects, checkOpen, changes$ } = mirror;
  const parts = { shapes, objects, clock, checkOpen };
  const transact: RealmStore['transact'] = (work) => {
    const { store } = roles;
    if (store) return transactAsLeader(store, work);
    sendLater();
    return mirror.transact(work);
  };
  /** Another tab may take over the storage before the write is stored. Then that tab performs it. */
  const transactAsLeader = <R>(store: LocalStore, work: (draft: TransactionDraft) => R): Observable<Written<R>> => {
    let unstored: UnstoredWrite<R> | null = null;
    let resent$: Observable<Written<R>> | null = null; // The outcome may be subscribed to more than once.
    const written$ = store.transact((draft, now) => {
      const result = work(draft);
      unstored = { operations: draft.overlay.operations, now, result };
      return result;
    });
    return written$.pipe(
      catchError((thrown: unknown) => {
        if (!(thrown instanceof StorageTakenOverError) || unstored === null) throw thrown;
        sendLater();
        return (resent$ ??= mirror.resend(unstored));
      }),
    );
  };
  return {
    ...createReadApi({ ...parts, changes$ }),
    context: parts,
    transact,
    write: (change) => transact(workOf(change)),
    retry: (rejected, change) => {
      const { store } = roles;
      if (store) return store.retry(rejected, change);
      sendLater();
      const work = change === undefined ? () => undefined : workOf(change);
      return mirror.transact(work, { method: 'retry', rejected }, change !== undefined);
    },
    discard: (rejected) => {
      const { store } = roles;
      if (store) return store.discard(rejected);
      sendLater();
      return mirror.transact(() => undefined, { method: 'discard', rejected }, false);
    },
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
