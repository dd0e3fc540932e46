import { InvalidStateError } from '../model/errors.js';
import { checkOneOf } from '../model/check-arguments.js';
import { checkRealmName } from '../model/limits.js';
import { clientResets } from '../session/binding/client-reset.js';
import { WrongRealmError } from '../store/ownership/claim-owner.js';
import type { ClientCore } from './client-core.js';
import type { SyncPlan, SyncSettings, SyncSupport } from './open-plan.js';
import { createDifferenceError } from './plan-difference.js';
import { openSyncedRealm } from './synced-realm.js';
import { createSyncedTab } from './tabs/synced-tab.js';

const planOf = (
  support: SyncSupport,
  { realm, stopPolicy = 'afterChangesUploaded', clientReset = 'recoverOrDiscard', otherUser = 'reject' }: SyncSettings,
): SyncPlan => {
  if (support.core.isClosed()) throw new InvalidStateError('The client of this realm is closed. Create another one.');
  checkOneOf('sync.stopPolicy', ['afterChangesUploaded', 'immediately'], stopPolicy);
  checkOneOf('sync.clientReset', clientResets, clientReset);
  checkOneOf('sync.otherUser', ['reject', 'read'], otherUser);
  const realmName = checkRealmName(realm);
  return {
    ...{ support, realmName, clientReset },
    stopImmediately: stopPolicy === 'immediately',
    anyUser: otherUser === 'read',
  };
};

const differenceOf = (one: SyncPlan, other: SyncPlan): Error | null => {
  if (one.realmName !== other.realmName) return new WrongRealmError(one.realmName, other.realmName);
  if (one.stopImmediately !== other.stopImmediately) {
    const policy = (immediately: boolean): string => (immediately ? 'immediately' : 'afterChangesUploaded');
    return createDifferenceError('sync.stopPolicy', policy(one.stopImmediately), policy(other.stopImmediately));
  }
  if (one.clientReset !== other.clientReset)
    return createDifferenceError('sync.clientReset', one.clientReset, other.clientReset);
  if (one.anyUser !== other.anyUser) {
    const [found, asked] = [one, other].map(({ anyUser }) => (anyUser ? 'read' : 'reject'));
    return createDifferenceError('sync.otherUser', found, asked);
  }
  return null;
};

/** Creates the code of synced realms of a client. */
export const createSyncSupport = (core: ClientCore): SyncSupport => {
  const support: SyncSupport = {
    ...{ core, differenceOf, open: openSyncedRealm, createTab: createSyncedTab },
    planOf: (settings) => planOf(support, settings),
  };
  return support;
};
