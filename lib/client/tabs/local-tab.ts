import { EMPTY } from 'rxjs';
import { none } from '../../model/result.js';
import { openLocalStore } from '../../store/open-store.js';
import { prepareLocal } from '../running-realm.js';
import type { OpenPlan } from '../open-plan.js';
import type { TabParts } from './tab-parts.js';

/** Creates the parts of a shared realm without a session. */
export const createLocalTab = (plan: OpenPlan): TabParts => ({
  openingOf: () => ({ open: openLocalStore, prepare: (store) => prepareLocal(plan, store), callMs: Infinity }),
  perform: () => EMPTY,
  checkFollower: () => EMPTY,
  subscribeFirst: () => EMPTY,
  createSession: () => null,
  show: () => undefined,
  session: () => null,
  follow: () => null,
  recordOf: (state) => ({ ...state }),
  receive: () => undefined,
  onHealth: () => undefined,
  syncSession: () => none,
  checkOwner: () => undefined,
  mayClaim: () => true,
  logOut: () => undefined,
  end: () => undefined,
  complete: () => undefined,
});
