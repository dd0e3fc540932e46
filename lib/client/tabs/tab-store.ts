import { map, switchMap } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { Shapes } from '../../model/schema.js';
import { rejectedTransactionOf } from '../../store/rejected/rejected-writes-api.js';
import { createReadApi } from '../../store/store.js';
import type { MirroredStore } from '../../store/tabs/mirrored-store.js';
import { statsOf } from '../../store/transfer/stats.js';
import { workOf } from '../../store/transaction/write.js';
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
    if (store) return store.transact(work);
    sendLater();
    return mirror.transact(work);
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
