import { StorageError } from '../model/errors.js';
import { failed } from './failure.js';

/** Lets go of what is held; resolves when somebody else may have it. */
export type Release = () => Promise<void>;

/**
 * Holds a Web Lock, which is one among all tabs, workers and frames of an origin, and which the browser takes back from
 * whoever dies. Resolves when it is held; rejects with a `StorageError` when somebody else holds it. `stolen` is called
 * when it is taken away before it was let go of.
 *
 * Where there are no Web Locks, which is in pages that are not served securely, nobody is kept out.
 */
export const locked = (name: string, place: string, stolen: () => void): Promise<Release> => {
  const { navigator } = globalThis as { navigator?: { readonly locks?: LockManager } };
  const locks = navigator?.locks;
  if (!locks) return Promise.resolve(() => Promise.resolve());
  return new Promise<Release>((held, refused) => {
    const hold = (): Promise<void> =>
      new Promise<void>((letGo) =>
        held(() => {
          letGo();
          return over;
        }),
      );
    const over: Promise<void> = locks
      .request(name, { ifAvailable: true }, async (lock) => {
        if (lock) await hold();
        else refused(new StorageError(`${place} is in use by another tab or worker, or by another realm of this one`));
      })
      .catch((thrown: unknown) => {
        stolen(); // Before it was held, this means nothing.
        refused(failed(`${place} cannot be locked`, thrown));
      });
  });
};
