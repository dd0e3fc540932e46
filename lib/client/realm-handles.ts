import { InvalidArgumentError } from '../model/errors.js';
import type { RealmStore } from './open-plan.js';

/** The parts of one handle for functions that are not methods of a realm. */
export interface HandleInternals {
  readonly store: Pick<RealmStore, 'context' | 'transact'>;
  /** Throws a `RealmClosedError` when this handle is closed. */
  readonly checkOpen: () => void;
  /** Throws a `SyncError` `other-user` when the realm is known to belong to another user. */
  readonly checkOwner: () => void;
}

const handles = new WeakMap<object, HandleInternals>();

export const registerHandle = (handle: object, internals: HandleInternals): void => void handles.set(handle, internals);

/** Returns the internals of a handle that `openRealm` made. */
export const internalsOf = (handle: unknown): HandleInternals => {
  const internals = handles.get(handle as object);
  if (internals) return internals;
  throw new InvalidArgumentError('realm', 'a realm that openRealm opened', handle);
};
