import { defer, type Observable, of, ReplaySubject, share, switchMap, tap } from 'rxjs';
import type { ClientCore } from './client-core.js';
import type { OpenPlan, RunningRealm } from './open-plan.js';
import { planDifferenceOf } from './plan-difference.js';
import { openRunningRealm } from './open-running-realm.js';

/** A realm that is open or opening, with the plan that opened it. */
export interface RealmEntry {
  readonly plan: OpenPlan;
  readonly opened$: Observable<RunningRealm>;
}

/** The realms by their storage: one storage holds one realm. */
export type RealmRegistry = Map<unknown, RealmEntry>;

/** The realms that are open with a client. */
export const realmsOf = ({ openRealms }: ClientCore): RealmRegistry => openRealms as RealmRegistry;

/** The local realms of this process. Clients have the realms that sync. */
const localRealms: RealmRegistry = new Map();

/** Removes a released realm from the registry, even when its first subscriber has unsubscribed. */
const forgetOnRelease = (released$: Observable<unknown>, forget: () => void): void => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- ends with the realm; never errors
  released$.subscribe({ next: forget, error: forget });
};

/** Opens a realm once for all handles, until it is released or fails to open. */
const openOnce = (realms: RealmRegistry, plan: OpenPlan): Observable<RunningRealm> => {
  const forget = (): void => {
    if (realms.get(plan.location) === entry) realms.delete(plan.location);
  };
  const opening$ = openRunningRealm(plan).pipe(
    tap({
      next: (opened) => {
        entry.opened$ = of(opened); // The operators that have opened it are released.
        forgetOnRelease(opened.released$, forget);
      },
      error: forget,
    }),
    share({
      connector: () => new ReplaySubject(1),
      resetOnComplete: false,
      resetOnError: false,
      resetOnRefCountZero: false,
    }),
  );
  const entry = { plan, opened$: opening$ };
  realms.set(plan.location, entry);
  return opening$;
};

/**
 * Adds a handle to the realm on this storage, and opens the realm if it is not open. Waits for a realm that is being
 * released, then opens it again. Ends a realm without handles that is only uploading when the new plan differs; its
 * unsent changes stay in the storage. Errors when the plan differs from that of an open handle.
 */
export const enterRealm = (plan: OpenPlan): Observable<RunningRealm> =>
  defer(() => {
    const realms = plan.sync ? realmsOf(plan.sync.support.core) : localRealms;
    const clearing$ = plan.sync?.support.core.discards.clearing.get(plan.location);
    if (clearing$) return clearing$.pipe(switchMap(() => enterRealm(plan)));
    const found = realms.get(plan.location);
    if (!found) return openOnce(realms, plan);
    return found.opened$.pipe(
      switchMap((opened) => {
        const reason = planDifferenceOf(found.plan, plan);
        if (reason && opened.hasHandles()) throw reason;
        if (reason) opened.closeNow();
        else if (opened.addHandle()) return of(opened);
        return opened.released$.pipe(switchMap(() => enterRealm(plan)));
      }),
    );
  });
