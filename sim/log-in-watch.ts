import type { SchedulerLike } from 'rxjs';
import type { DeviceProcess } from './device-process.js';

/** Milliseconds within which a log-out has arrived in the other tabs, unless one of them is frozen or closed. */
const arrivalMs = 10;
/** Milliseconds after which a tab that was opened receives messages. */
const startMs = 1_000;

/** Knows the tabs of a device whose clients may have a user. A log-out concerns all tabs that have the realm open. */
export interface LogInWatch {
  readonly opened: (tab: number) => void;
  readonly loggedIn: (tab: number) => void;
  /** The user has logged out in one of these tabs. */
  readonly loggedOut: (running: readonly DeviceProcess[]) => void;
  /** The page of a tab is being frozen, or its realm closed: messages in flight do not arrive. */
  readonly leaves: (tab: number) => void;
  readonly mayBeLoggedIn: (tab: number) => boolean;
}

export const createLogInWatch = ({ now }: Pick<SchedulerLike, 'now'>): LogInWatch => {
  const loggedIn = new Set<number>();
  const openedAt = new Map<number, number>();
  let loggedOutAt = -Infinity;
  return {
    opened: (tab) => {
      openedAt.set(tab, now());
      loggedIn.add(tab);
    },
    loggedIn: (tab) => void loggedIn.add(tab),
    loggedOut: (running) => {
      loggedOutAt = now();
      for (const { tab, page, realm } of running)
        if (realm !== null && page?.isFrozen() === false && now() - (openedAt.get(tab) ?? 0) > startMs)
          loggedIn.delete(tab);
    },
    leaves: (tab) => {
      if (now() - loggedOutAt < arrivalMs) loggedIn.add(tab);
    },
    mayBeLoggedIn: (tab) => loggedIn.has(tab),
  };
};
