import { firstValueFrom, timer } from 'rxjs';
import type { Clock } from '../clock.js';
import { StorageError } from '../model/errors.js';
import { toStorageError } from './storage-failure.js';

/** Lets go of what is held; resolves when somebody else may have it. */
export type Release = () => Promise<void>;

/**
 * How long a lock may be held by somebody else, in milliseconds: a page that is loaded again asks before the browser
 * has buried the one before.
 */
const graceMs = 500;

export interface LockRequest {
  readonly name: string;
  /** What error messages call what it guards. */
  readonly location: string;
  readonly clock: Pick<Clock, 'scheduler'>;
  /** Called when it is taken away before it was let go of. */
  readonly onStolen: () => void;
}

/**
 * Holds a Web Lock, which is one among all tabs, workers and frames of an origin, and which the browser takes back from
 * whoever dies. Resolves when it is held; rejects with a `StorageError` when somebody else holds it, and for half a
 * second goes on to.
 *
 * Where there are no Web Locks, which is in pages that are not served securely, nobody is kept out.
 */
export const acquireLock = ({ name, location, clock, onStolen }: LockRequest): Promise<Release> => {
  const { navigator } = globalThis as { navigator?: { readonly locks?: LockManager } };
  const locks = navigator?.locks;
  if (!locks) return Promise.resolve(() => Promise.resolve());
  const grace = new AbortController(); // It ends the wait for the lock; once that is held, it does nothing.
  firstValueFrom(timer(graceMs, clock.scheduler)).then(
    () => grace.abort(),
    () => undefined,
  );
  return new Promise<Release>((held, refused) => {
    const hold = (): Promise<void> =>
      new Promise<void>((letGo) =>
        held(() => {
          letGo();
          return over;
        }),
      );
    const over: Promise<void> = locks.request(name, { signal: grace.signal }, hold).catch((thrown: unknown) => {
      onStolen(); // Before it was held, this means nothing.
      const inUse = `${location} is in use by another tab or worker, or by another realm of this one`;
      refused(grace.signal.aborted ? new StorageError(inUse) : toStorageError(`${location} cannot be locked`, thrown));
    });
  });
};
