import { leadLock } from '../lib/client/tabs/tab-names.js';
import { type DeviceOptions, type DeviceParts, type DeviceProcess, tabsMaxOf } from './device-process.js';
import { InvariantError } from './invariants.js';

/** Milliseconds within which a visible tab leads when the leader has gone, or cannot run, or is hidden. */
const handOverMs = 1_100;
/** Calls of the storage that a hand-over waits for, each of which may be as slow as the disk ever is. */
const callsMax = 5;
/** Milliseconds within which a visible tab has an answer to a write, on a disk that is not slow. */
const answerMs = 5_000;

/** Watches the tabs of one device. */
export interface HandOverWatch {
  /** Checks the tabs as they are now after a while, if nothing happens to them until then. */
  readonly note: () => void;
}

/** Checks that a visible tab takes the lead in time, that writes are answered then, and that log-outs stay. */
export const createHandOverWatch = (
  { number, scheduler, settings, network, broken }: DeviceOptions,
  parts: DeviceParts,
  running: readonly DeviceProcess[],
): HandOverWatch => {
  let changes = 0;
  const diskMs = settings.diskMs * callsMax;

  const isUsable = ({ page, realm }: DeviceProcess): boolean =>
    page !== null && realm !== null && !page.isFrozen() && !page.isHidden();
  /** Runs a check after some milliseconds, unless the tabs have changed by then. */
  const after = (ms: number, check: () => void): void => {
    const { browser } = parts;
    const before = changes;
    scheduler.schedule(() => {
      if (changes === before && parts.browser === browser) check();
    }, ms);
  };
  const checkLeader = (): void => {
    const leader = parts.browser?.lockHolders().get(leadLock);
    const process = running.find(({ tab }) => tab === leader);
    // A tab that is logged out does not take the lead from one that is logged in.
    if (parts.hasLoggedOut || (process && isUsable(process))) return;
    const detail = process ? `tab ${process.tab} has the lock and cannot lead` : 'no tab has the lock';
    broken(new InvariantError('a visible tab leads', `device ${number}: ${detail}`));
  };
  /** Checks that a log-out has taken effect in all tabs, unless the user may have logged in again in the leader. */
  const checkLogOut = (): void => {
    const leader = parts.browser?.lockHolders().get(leadLock);
    if (leader === undefined || parts.logIns.mayBeLoggedIn(leader)) return;
    const shown = running.find(
      (each) => isUsable(each) && each.session?.syncState.match(/^(inactive|paused)$/) === null,
    );
    const detail = shown
      ? `tab ${shown.tab} shows ${String(shown.session?.syncState)}`
      : network.connectionCount(number) > 0 && 'it has a connection';
    if (detail !== false)
      broken(
        new InvariantError('a log-out takes effect in all tabs', `device ${number}: ${detail}, tab ${leader} leads`),
      );
  };
  const checkAnswers = (unsettled: readonly (readonly [DeviceProcess, string])[]): void => {
    for (const [process, id] of unsettled)
      if (process.unsettled.has(id) && isUsable(process))
        broken(new InvariantError('a write is answered', `device ${number}, tab ${process.tab}: ${id}`));
  };

  return {
    note: () => {
      if (tabsMaxOf(number, settings) === 1) return;
      changes += 1;
      if (!running.some(isUsable)) return;
      after(handOverMs + diskMs, () => {
        if (running.some(isUsable)) checkLeader();
        checkLogOut();
      });
      after(handOverMs + diskMs, () => {
        const unsettled = running.flatMap((process) => [...process.unsettled].map((id) => [process, id] as const));
        after(answerMs + diskMs, () => checkAnswers(unsettled));
      });
    },
  };
};
