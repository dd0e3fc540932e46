import type { Schema } from '../model/schema.js';
import { InvalidArgumentError } from '../model/errors.js';
import type { CreateTabPort } from './tabs/tab-subscriptions.js';
import type { CreateMirroredViews } from '../store/subscriptions/mirrored-views.js';
import type { OpenViews } from '../store/subscriptions/open-views.js';
import type { SubscriptionsApi } from '../store/subscriptions/subscriptions-api.js';
import type { SubscriptionsPort } from '../store/subscriptions/view-parts.js';
import type { InitialSubscriptions } from './subscriptions.js';

/** The code of subscriptions. `openRealm` takes it from its option, so that other bundles do not contain it. */
export interface SubscriptionSupport extends InitialSubscriptions<Schema> {
  readonly openViews: OpenViews;
  readonly createMirroredViews: CreateMirroredViews;
  /** Creates the subscriptions of one tab of a realm that several tabs share. */
  readonly createTabPort: CreateTabPort;
  readonly createApi: (port: SubscriptionsPort) => SubscriptionsApi;
}

const registered = new WeakMap<object, SubscriptionSupport>();

export const registerSubscriptions = (given: object, support: SubscriptionSupport): void =>
  void registered.set(given, support);

/**
 * Returns the code behind what `createSubscriptions` has returned. Throws an `InvalidArgumentError` for anything else.
 */
export const subscriptionSupportOf = (given: unknown): SubscriptionSupport => {
  const support = registered.get(Object(given) as object);
  if (support) return support;
  throw new InvalidArgumentError('subscriptions', 'made by createSubscriptions()', given);
};
