import type { Observable } from 'rxjs';
import type { OpenPlan, RunningRealm } from './open-plan.js';
import { openLocalRealm } from './running-realm.js';
import { openTabRealm } from './tabs/tab-realm.js';

/**
 * Opens a realm for its first handle: synchronously, if its storage opens synchronously. Cold; emits once and
 * completes; errors with a `StorageError`.
 */
export const openRunningRealm = (plan: OpenPlan): Observable<RunningRealm> => {
  if (plan.tabs) return openTabRealm(plan, plan.tabs);
  return plan.sync ? plan.sync.support.open(plan, plan.sync) : openLocalRealm(plan);
};
