import { checkFunction } from '../model/check-arguments.js';
import { InvalidArgumentError } from '../model/errors.js';
import { checkOptions } from '../model/limits.js';
import type { Schema } from '../model/schema.js';
import { createMirroredViews } from '../store/subscriptions/mirrored-views.js';
import { createTabPort } from './tabs/tab-subscriptions.js';
import { openViews } from '../store/subscriptions/open-views.js';
import { createSubscriptionsApi } from '../store/subscriptions/subscriptions-api.js';
import { registerSubscriptions } from './subscription-registry.js';
import type { InitialSubscriptions, RealmSubscriptions } from './subscriptions.js';

/**
 * Makes a realm hold only the objects that it subscribes to: the option `subscriptions` of `openRealm`. A function, so
 * that apps without subscriptions do not contain their code.
 *
 * @param options - The first subscriptions.
 * @returns The option.
 * @throws InvalidArgumentError for an invalid option.
 *
 * @example
 * ```ts sketch
 * const sync = { client, realm: 'team-42' };
 * const realm = await openRealm({ schema, storage, sync, subscriptions: createSubscriptions() });
 * ```
 */
export const createSubscriptions = <S extends Schema>(options: InitialSubscriptions<S> = {}): RealmSubscriptions<S> => {
  const { initial, rerunOnOpen = false } = checkOptions('options', options, ['initial', 'rerunOnOpen']);
  if (initial !== undefined) checkFunction('options.initial', initial);
  if (typeof rerunOnOpen !== 'boolean')
    throw new InvalidArgumentError('options.rerunOnOpen', 'true or false', rerunOnOpen);
  const made: RealmSubscriptions<S> = Object.freeze({
    kind: 'subscriptions',
    rerunOnOpen,
    ...(initial && { initial }),
  });
  registerSubscriptions(made, {
    ...(made as unknown as InitialSubscriptions<Schema>),
    ...{ openViews, createMirroredViews, createTabPort },
    createApi: createSubscriptionsApi,
  });
  return made;
};
