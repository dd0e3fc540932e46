import { firstValueFrom, timer } from 'rxjs';
import type { Clock } from '../clock.js';
import { StorageError } from '../model/errors.js';
import { toStorageError } from './storage-failure.js';

/** Releases a lock. Resolves when another page can acquire it. */
export type Release = () => Promise<void>;

/**
 * Milliseconds to wait for a lock that another page holds: a reloaded page opens before the browser has removed the old
 * page.
 */
const graceMs = 500;

export interface LockRequest {
  readonly name: string;
  /** The name of the guarded storage in error messages. */
  readonly location: string;
  readonly clock: Pick<Clock, 'scheduler'>;
  /** `shared`: the lock may have several holders of this mode, and none of the other. */
  readonly mode: LockMode;
  /** Called when the lock is taken away before it was released. */
  readonly onStolen: () => void;
}

/**
 * Acquires a Web Lock. An exclusive lock has one holder among all tabs, workers and frames of an origin, and the
 * browser releases it when its holder ends. Resolves when the lock is held; rejects with a `StorageError` when another
 * page still holds it after half a second.
 *
 * Pages that are not served securely have no Web Locks: there the function resolves without a lock.
 */
export const acquireLock = ({ name, location, clock, mode, onStolen }: LockRequest): Promise<Release> => {
  const { navigator } = globalThis as { navigator?: { readonly locks?: LockManager } };
  const locks = navigator?.locks;
  if (!locks) return Promise.resolve(() => Promise.resolve());
  const grace = new AbortController(); // Ends the wait for the lock, and has no effect once the lock is held.
  firstValueFrom(timer(graceMs, clock.scheduler)).then(
    () => grace.abort(),
    () => undefined,
  );
  return new Promise<Release>((resolve, reject) => {
    const hold = (): Promise<void> =>
      new Promise<void>((release) =>
        resolve(() => {
          release();
          return released;
        }),
      );
    const released: Promise<void> = locks
      .request(name, { mode, signal: grace.signal }, hold)
      .catch((thrown: unknown) => {
        onStolen(); // Has no effect before the lock is held.
        const inUse = `${location} is in use by another tab or worker, or by another realm of this page. Close it, or use another storage.`;
        reject(grace.signal.aborted ? new StorageError(inUse) : toStorageError(`${location} cannot be locked`, thrown));
      });
  });
};
