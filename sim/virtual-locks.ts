import { Observable, type SchedulerLike, type Subscriber } from 'rxjs';
import type { TabProcess } from './tab-process.js';

/** The locks of one browser: Web Locks in virtual time. */
export interface VirtualLocks {
  /** As `lock` of `TabPlatform`, for one tab. */
  readonly request: (tab: TabProcess, name: string, how: 'wait' | 'steal') => Observable<void>;
  /** Releases the locks of a tab that has ended, and withdraws its requests. */
  readonly releaseAll: (tab: TabProcess) => void;
  /** The number of the tab that holds each lock. */
  readonly holders: () => ReadonlyMap<string, number>;
  /** The number of times that each lock was granted or stolen. */
  readonly grants: () => ReadonlyMap<string, number>;
}

interface LockRequest {
  readonly tab: TabProcess;
  readonly subscriber: Subscriber<void>;
}

/** One lock. The first request is its holder. */
type LockQueue = LockRequest[];

export const createVirtualLocks = (scheduler: SchedulerLike): VirtualLocks => {
  const queues = new Map<string, LockQueue>();
  const grants = new Map<string, number>();

  /** Runs an event in a later event-loop turn of the tab. */
  const notify = ({ tab }: LockRequest, event: () => void): void => {
    scheduler.schedule(() => tab.run(event));
  };
  const grantFirst = (name: string, queue: LockQueue): void => {
    const [first] = queue;
    if (!first) return;
    grants.set(name, (grants.get(name) ?? 0) + 1);
    notify(first, () => {
      if (queue.includes(first)) first.subscriber.next(); // Another tab may have stolen it meanwhile.
    });
  };
  const remove = (name: string, queue: LockQueue, request: LockRequest): void => {
    const at = queue.indexOf(request);
    if (at < 0) return;
    queue.splice(at, 1);
    if (at === 0) grantFirst(name, queue);
  };
  const steal = (name: string, queue: LockQueue, request: LockRequest): void => {
    const [stolen] = queue.splice(0, 1, request);
    const error = new DOMException(`Another tab has stolen the lock "${name}".`, 'AbortError');
    if (stolen) notify(stolen, () => stolen.subscriber.error(error));
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
        const [queue, request] = [queueOf(name), { tab, subscriber }];
        if (how === 'steal') steal(name, queue, request);
        else if (queue.push(request) === 1) grantFirst(name, queue);
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
