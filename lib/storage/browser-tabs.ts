import { defer, distinctUntilChanged, fromEvent, map, merge, Observable, scan, startWith } from 'rxjs';
import { type Clock, systemClock } from '../clock.js';
import { sharedIndexedDbStorage } from './indexeddb.js';
import { toStorageError, fieldOf } from './storage-failure.js';
import type { PageState, TabChannel, TabPlatform } from './tab-platform.js';
import { StorageTakenOverError } from '../model/taken-over-error.js';

const requestLock = (locks: LockManager, name: string, how: 'wait' | 'steal'): Observable<void> =>
  new Observable((subscriber) => {
    const withdrawal = new AbortController();
    subscriber.add(() => withdrawal.abort());
    const hold = (): Promise<void> =>
      new Promise((release) => {
        subscriber.add(release); // At once, if it is unsubscribed already.
        subscriber.next();
      });
    locks
      .request(name, how === 'steal' ? { steal: true } : { signal: withdrawal.signal }, hold)
      .catch((thrown: unknown) =>
        subscriber.error(
          fieldOf(thrown, 'name') === 'AbortError'
            ? new StorageTakenOverError(`Another tab has taken over the lock ${name}.`, { cause: thrown })
            : toStorageError(`The lock ${name} cannot be held`, thrown),
        ),
      );
  });

const openBroadcast = (name: string, receive: (message: unknown) => void): TabChannel => {
  const channel = new BroadcastChannel(name);
  let isOpen = true;
  channel.onmessage = ({ data }) => receive(data);
  return {
    post: (message) => {
      if (isOpen) channel.postMessage(message);
    },
    close: () => {
      isOpen = false;
      channel.close();
    },
  };
};

const visibilityOf = (): PageState => (typeof document === 'undefined' ? 'visible' : document.visibilityState);

/** The events of pages, which never happen in workers. Observed while they are captured, because not all bubble. */
const observePage = (): Observable<PageState> =>
  merge(
    ...['visibilitychange', 'freeze', 'resume', 'pagehide', 'pageshow'].map((type) =>
      fromEvent<Event>(globalThis, type, { capture: true }),
    ),
  ).pipe(
    // A page that is left may be hidden afterwards.
    scan(
      (isLeaving, { type }) => /^(freeze|pagehide)$/.test(type) || (isLeaving && type === 'visibilitychange'),
      false,
    ),
    map((isLeaving): PageState => (isLeaving ? 'leaving' : visibilityOf())),
    startWith(visibilityOf()),
    distinctUntilChanged(),
  );

/**
 * Creates the platform of the tabs that share an IndexedDB database. Does nothing before it is used.
 *
 * @param name - The name of the database.
 * @param clock - The clock that measures how long the storage waits for a tab that does not share it.
 * @returns `null` without Web Locks, as on insecure pages, `BroadcastChannel` or IndexedDB.
 */
export const createBrowserTabs = (name: string, clock: Pick<Clock, 'scheduler'> = systemClock): TabPlatform | null => {
  const { navigator } = globalThis as { navigator?: { readonly locks?: LockManager } };
  const locks = navigator?.locks;
  if (!locks || typeof BroadcastChannel !== 'function' || !('indexedDB' in globalThis)) return null;
  /** Differs from the lock of each storage, and from the names for all other storages. */
  const nameFor = (purpose: string): string => `tidemark-tabs ${JSON.stringify([name, purpose])}`;
  return {
    name,
    openChannel: (channel, receive) => openBroadcast(nameFor(channel), receive),
    lock: (lock, how) => requestLock(locks, nameFor(lock), how),
    page$: defer(observePage),
    openStorage: () => sharedIndexedDbStorage(name, clock),
  };
};
