import { interval, type Observable, switchMap } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { TabPlatform } from '../../storage/tab-platform.js';
import { nameOfTab } from './tab-names.js';

/** Milliseconds in which a tab whose lock is free must send something, or it has ended. */
const silentMs = 5_000;

/**
 * Emits every few seconds while the lock of a tab is free. Then the tab has ended, unless it still sends messages: when
 * Chromium deletes all data of an origin, the tabs after no longer see the locks of the tabs before.
 */
export const watchFreeLock = (
  platform: Pick<TabPlatform, 'lock'>,
  tab: string,
  { scheduler }: Pick<Clock, 'scheduler'>,
): Observable<unknown> => platform.lock(nameOfTab(tab), 'wait').pipe(switchMap(() => interval(silentMs, scheduler)));
