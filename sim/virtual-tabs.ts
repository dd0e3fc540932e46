import { BehaviorSubject, Observable, type SchedulerLike } from 'rxjs';
import type { Clock } from '../lib/clock.js';
import type { OpenStorage, Storage } from '../lib/index.js';
import { createSeededRandom } from '../lib/model/seeded-random.js';
import type { PageState, TabPlatform } from '../lib/storage/tab-platform.js';
import { createTabProcess } from './tab-process.js';
import { createVirtualChannels } from './virtual-channels.js';
import { createVirtualLocks, type LockMode } from './virtual-locks.js';
import { createVirtualStorage, limitWait } from './virtual-storage.js';

/** The platform of a virtual tab. */
export interface VirtualPlatform extends Omit<TabPlatform, 'openStorage'> {
  /**
   * As `openStorage` of `TabPlatform`: shares the lock of the storage with other tabs. With an argument it takes the
   * lock for itself, as a tab that does not share the storage.
   */
  readonly openStorage: (how?: 'wait' | 'steal') => Observable<Storage>;
  /**
   * Keeps tabs that do not share the storage away from it: shares the lock that `openStorage` with an argument holds.
   * Emits once, never completes. Errors with a `StorageError` when another tab holds the lock for half a second.
   */
  readonly join$: Observable<void>;
}

/** One tab of a virtual browser. */
export interface VirtualTab {
  /** 1 for the first tab that the browser has opened. */
  readonly number: number;
  readonly platform: VirtualPlatform;
  /** The clock of the code in the tab: its timers wait while the tab is frozen, and never run after its end. */
  readonly clock: Clock;
  /** Runs an event of the browser in the tab: later while it is frozen, never after its end. */
  readonly run: (event: () => void) => void;
  readonly isFrozen: () => boolean;
  readonly isHidden: () => boolean;
  readonly isEnded: () => boolean;
  readonly hide: () => void;
  readonly show: () => void;
  /** Emits `leaving`. Then the tab runs nothing, and keeps its locks. */
  readonly freeze: () => void;
  /** As `freeze`, without an event: the computer sleeps, or some work blocks the page. */
  readonly suspend: () => void;
  /** Emits whether the page is visible, if that is new. Then everything runs that has waited, in order. */
  readonly resume: () => void;
  /** Keeps the page for the back button: as `freeze`. */
  readonly cache: () => void;
  /** Shows a page that was kept for the back button: as `resume`. */
  readonly restore: () => void;
  /** Ends the tab without an event. The browser notices that after up to 30 ms, and then releases its locks. */
  readonly crash: () => void;
  /** Emits `leaving`, unless the tab is frozen, and ends the tab. */
  readonly close: () => void;
}

/** One device's browser, in virtual time. */
export interface VirtualBrowser {
  readonly openTab: (options?: { readonly hidden?: boolean }) => VirtualTab;
  /** The tabs that have not ended. */
  readonly tabs: () => readonly VirtualTab[];
  /** The number of the tab that holds each lock. A stolen lock is the thief's, even if its earlier holder is frozen. */
  readonly lockHolders: () => ReadonlyMap<string, number>;
  /** The number of times that each lock was granted or stolen. */
  readonly lockGrants: () => ReadonlyMap<string, number>;
  /** The number of messages that were posted on each channel. */
  readonly messagesPosted: () => ReadonlyMap<string, number>;
}

export interface VirtualBrowserOptions {
  readonly scheduler: SchedulerLike;
  readonly random: () => number;
  /** Milliseconds since the epoch. The time of the scheduler by default. */
  readonly now?: () => number;
  /** The name of the storage. */
  readonly name: string;
  /**
   * Opens the data of the storage. It must end the calls of the storage that it opened before, as the disk of a world
   * does: `() => disk.open`. The browser adds the lock of the storage, and the errors of a storage that was taken over.
   */
  readonly storage: (how: 'wait' | 'steal') => OpenStorage;
  /** Draws the milliseconds until a message arrives: 0, 1 or 2 by default. */
  readonly latency?: () => number;
}

/** Milliseconds, at most, until a browser notices that a tab has crashed. */
const crashMsMax = 30;

/** Creates a browser whose tabs share locks, channels and a storage, as those of Chromium do. */
export const createVirtualBrowser = ({
  scheduler,
  random,
  now = () => scheduler.now(),
  name,
  storage,
  latency = () => Math.floor(random() * 3),
}: VirtualBrowserOptions): VirtualBrowser => {
  const locks = createVirtualLocks(scheduler);
  const channels = createVirtualChannels({ scheduler, latency });
  const openStorage = createVirtualStorage({ name, scheduler, random, open: storage });
  const tabs = new Set<VirtualTab>();
  let opened = 0;

  const openTab: VirtualBrowser['openTab'] = ({ hidden = false } = {}) => {
    const number = (opened += 1);
    const process = createTabProcess({
      ...{ number, scheduler, now },
      random: createSeededRandom(Math.floor(random() * 2 ** 31) + number), // Tabs differ even if `random` is constant.
    });
    let shown: PageState = hidden ? 'hidden' : 'visible';
    const page = new BehaviorSubject<PageState>(shown);
    const change = (state: PageState): void => {
      shown = state;
      if (!process.isFrozen() && !process.isEnded() && page.value !== state) page.next(state);
    };
    const freeze = (): void => {
      if (process.isFrozen() || process.isEnded()) return;
      page.next('leaving');
      process.freeze();
    };
    const resume = (): void => {
      if (!process.isFrozen()) return;
      process.resume();
      if (page.value !== shown) page.next(shown);
    };
    const end = (): void => {
      process.end();
      channels.closeAll(process);
      tabs.delete(tab);
    };
    const lockOf = (how: LockMode): Observable<void> =>
      limitWait(name, process, locks.request(process, `tidemark ${name}`, how));
    const platform: VirtualPlatform = {
      name,
      openChannel: (channel, receive) => channels.open(process, channel, receive),
      lock: (lock, how) => locks.request(process, lock, how),
      page$: new Observable((subscriber) => (process.isEnded() ? undefined : page.subscribe(subscriber))),
      join$: lockOf('share'),
      openStorage: (how) => {
        return openStorage({ tab: process, how: how ?? 'wait', lock$: lockOf(how ?? 'share') });
      },
    };
    const tab: VirtualTab = {
      number,
      platform,
      clock: process.clock,
      run: process.run,
      isHidden: () => shown === 'hidden',
      isFrozen: process.isFrozen,
      isEnded: process.isEnded,
      hide: () => change('hidden'),
      show: () => change('visible'),
      freeze,
      suspend: process.freeze,
      resume,
      cache: freeze,
      restore: resume,
      crash: () => {
        if (process.isEnded()) return;
        end();
        scheduler.schedule(() => locks.releaseAll(process), Math.floor(random() * (crashMsMax + 1)));
      },
      close: () => {
        if (process.isEnded()) return;
        if (!process.isFrozen()) page.next('leaving');
        end();
        locks.releaseAll(process);
      },
    };
    tabs.add(tab);
    return tab;
  };

  return {
    openTab,
    tabs: () => [...tabs],
    lockHolders: locks.holders,
    lockGrants: locks.grants,
    messagesPosted: channels.posted,
  };
};
