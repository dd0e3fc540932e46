import { Observable, type SchedulerLike, type Subscriber } from 'rxjs';
import type { StorageError } from '../lib/index.js';
import { StorageTakenOverError } from '../lib/model/taken-over-error.js';
import type { TabProcess } from './tab-process.js';

/**
 * Creates the error of a lock or a storage that another tab has taken over. The only place that knows the class of this
 * error.
 */
export const createTakenOverError = (taken: string): StorageError =>
  new StorageTakenOverError(`Another tab has taken over ${taken}.`);

/** `share`: together with other such requests; the others exclude all. */
export type LockMode = 'wait' | 'steal' | 'share';

/** The locks of one browser: Web Locks in virtual time. */
export interface VirtualLocks {
  /** As `lock` of `TabPlatform`, for one tab. */
  readonly request: (tab: TabProcess, name: string, how: LockMode) => Observable<void>;
  /** Releases the locks of a tab that has ended, and withdraws its requests. */
  readonly releaseAll: (tab: TabProcess) => void;
  /** The number of the tab that holds each lock. The first one of a shared lock. */
  readonly holders: () => ReadonlyMap<string, number>;
  /** The number of times that each lock was granted or stolen. */
  readonly grants: () => ReadonlyMap<string, number>;
}

interface LockRequest {
  readonly tab: TabProcess;
  readonly subscriber: Subscriber<void>;
  readonly isShared: boolean;
  isGranted: boolean;
}

/** One lock. The first request is its holder, together with those that share it and follow directly. */
type LockQueue = LockRequest[];

export const createVirtualLocks = (scheduler: SchedulerLike): VirtualLocks => {
  const queues = new Map<string, LockQueue>();
  const grants = new Map<string, number>();

  /** Runs an event in a later event-loop turn of the tab. */
  const notify = ({ tab }: LockRequest, event: () => void): void => {
    scheduler.schedule(() => tab.run(event));
  };
  const grant = (name: string, queue: LockQueue, request: LockRequest): void => {
    request.isGranted = true;
    grants.set(name, (grants.get(name) ?? 0) + 1);
    notify(request, () => {
      if (queue.includes(request)) request.subscriber.next(); // Another tab may have stolen it meanwhile.
    });
  };
  const grantFirst = (name: string, queue: LockQueue): void => {
    const excluded = queue.findIndex(({ isShared }) => !isShared);
    const count = excluded === 0 ? 1 : excluded < 0 ? queue.length : excluded;
    for (const request of queue.slice(0, count)) if (!request.isGranted) grant(name, queue, request);
  };
  const remove = (name: string, queue: LockQueue, request: LockRequest): void => {
    const at = queue.indexOf(request);
    if (at < 0) return;
    queue.splice(at, 1);
    grantFirst(name, queue);
  };
  const steal = (name: string, queue: LockQueue, request: LockRequest): void => {
    const error = createTakenOverError(`the lock "${name}"`);
    for (const stolen of queue.splice(0, queue.filter(({ isGranted }) => isGranted).length, request))
      notify(stolen, () => stolen.subscriber.error(error));
    grantFirst(name, queue);
  };
  const queueOf = (name: string): LockQueue => {
    const queue = queues.get(name) ?? [];
    queues.set(name, queue);
    return queue;
  };

  return {
    request: (tab, name, how) =>
      new Observable<void>((subscriber) => {
        if (tab.isEnded()) return undefined;
        const queue = queueOf(name);
        const request = { tab, subscriber, isShared: how === 'share', isGranted: false };
        if (how === 'steal') steal(name, queue, request);
        else {
          queue.push(request);
          grantFirst(name, queue);
        }
        return () => {
          if (!tab.isEnded()) remove(name, queue, request); // The browser releases the locks of a tab that has ended.
        };
      }),
    releaseAll: (tab) => {
      for (const [name, queue] of queues) {
        // From the end, so that no request of this tab is granted meanwhile.
        for (const request of queue.filter((each) => each.tab === tab).reverse()) remove(name, queue, request);
      }
    },
    holders: () => new Map([...queues].flatMap(([name, [first]]) => (first ? [[name, first.tab.number]] : []))),
    grants: () => grants,
  };
};
