import { InvalidArgumentError } from '../model/errors.js';
import type { SyncSupport } from './open-plan.js';

/** The internals of the clients of this process. They are not members of the public object. */
const supports = new WeakMap<object, SyncSupport>();

export const registerClient = (client: object, support: SyncSupport): void => void supports.set(client, support);

export const isClient = (value: unknown): boolean => supports.has(value as object);

/**
 * Returns the internals of a client that `createSyncClient` made. Throws an `InvalidArgumentError` for anything else.
 *
 * @param argument - The name of the app's argument, for that error.
 */
export const syncSupportOf = (client: unknown, argument: string): SyncSupport => {
  const support = supports.get(client as object);
  if (support) return support;
  throw new InvalidArgumentError(argument, 'a client made by createSyncClient', client);
};
