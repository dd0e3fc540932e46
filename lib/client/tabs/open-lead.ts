import { defer, map, type Observable, switchMap, tap } from 'rxjs';
import { runToItsEnd } from '../../model/operators.js';
import type { OutboxState } from '../../model/sync-port.js';
import type { Storage } from '../../storage/storage.js';
import type { TabPlatform } from '../../storage/tab-platform.js';
import type { LocalStore } from '../../store/store.js';
import type { MirroredStore } from '../../store/tabs/mirrored-store.js';
import { readTabRecords, type TabRecord } from '../../store/tabs/tab-write.js';
import type { OpenPlan } from '../open-plan.js';
import type { HeldStore } from '../held-store.js';
import { openHeldStore } from '../running-realm.js';
import type { TabLeader } from './tab-leader.js';
import type { LeadParts, TabParts } from './tab-parts.js';

export interface LeadPorts {
  readonly plan: OpenPlan;
  readonly platform: TabPlatform;
  readonly mirror: MirroredStore;
  readonly parts: TabParts;
  /** Whether the realm was opened in this tab, which has checked that it may. */
  readonly isOpened: () => boolean;
}

/** The ports of `TabRoles`. */
export interface RolesPorts extends LeadPorts {
  /** Is called whenever the tab can be used: it leads, or follows a leader. */
  readonly onReady: () => void;
  /** Is called when the tab can neither lead nor follow. */
  readonly onFailed: (thrown: unknown) => void;
  /** Is called when the session that this tab led has ended, because the realm is closed. */
  readonly onReleased: () => void;
}

/** The store that a tab with the lock of the leader has opened. */
export interface OpenedLead {
  readonly held: HeldStore<LocalStore>;
  readonly records: Map<string, TabRecord>;
}

/**
 * Opens the store of a tab that has the lock of the leader, on the objects that it has mirrored. Cold; emits once and
 * completes; errors with a `StorageError`. It must run to its end, or the storage would stay open.
 *
 * @param onOutbox - Receives the outbox of the storage, as soon as the tab shows the objects of the storage.
 */
export const openLead = (
  { plan, platform, parts, mirror, isOpened }: LeadPorts,
  leader: TabLeader,
  onOutbox: (outbox: OutboxState) => void,
): Observable<OpenedLead> =>
  defer(() => {
    const { open, prepare, callMs } = parts.openingOf(!isOpened());
    let storage: Storage;
    return openHeldStore(
      { ...plan, storage: platform.openStorage() },
      {
        ...{ prepare, callMs },
        open: (options) => {
          storage = leader.watchStorage(options.storage);
          return open({ ...options, storage, mirrored: mirror.objectsWithStamp() }).pipe(
            tap(({ context }) => {
              mirror.restage();
              onOutbox(context.outboxSize.outbox()); // The tab shows the objects of the storage from now on.
            }),
          );
        },
      },
    ).pipe(switchMap((held) => readTabRecords(storage).pipe(map((records) => ({ held, records })))));
  });

/** Ends the session and closes the store. Runs to its end. */
export const closeLead = (
  { held, session = null }: Pick<OpenedLead, 'held'> & Partial<Pick<LeadParts, 'session'>>,
  onClosed: () => void = () => undefined,
): void => {
  session?.end();
  runToItsEnd(held.closing$, onClosed);
};
