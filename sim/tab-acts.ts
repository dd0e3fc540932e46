import { createSeededRandom } from '../lib/model/seeded-random.js';
import { leadLock } from '../lib/client/tabs/tab-names.js';
import { type DeviceOptions, type DeviceParts, type DeviceProcess, startTab, tabsMaxOf } from './device-process.js';
import { createHandOverWatch } from './hand-over-watch.js';
import { mixNumbers } from './moment-random.js';
import type { PlannedEvent } from './plan.js';
import type { AppRunner } from './simulated-tab.js';

/** Milliseconds within which the other tabs learn that a tab which was suspended does not lead any more. */
const staleMs = 500;

/** The tab of an event: the leader, a follower, or one that is drawn from the seed. */
export type TabChoice = Pick<PlannedEvent, 'seed' | 'tab'>;

/** Acts of a user and of the browser on the tabs of a device. Those on a device that does not run do nothing. */
export interface TabActs {
  /** Opens the first tab, or the realm in all tabs in which it is closed. */
  readonly open: () => void;
  readonly openTab: (at: TabChoice) => void;
  readonly closeTab: (at: TabChoice) => void;
  readonly crashTab: (at: TabChoice) => void;
  /** Also keeps a page for the back button, which is the same for its code. */
  readonly freeze: (at: TabChoice) => void;
  /** Stops a tab without an event, which the page would get when it is frozen. */
  readonly suspend: (at: TabChoice) => void;
  readonly resumeTab: (at: TabChoice) => void;
  readonly hide: (at: TabChoice) => void;
  readonly show: (at: TabChoice) => void;
  /** Chooses a process with an open realm that is not frozen. The only process of a device without a browser. */
  readonly choose: (at?: TabChoice) => DeviceProcess | undefined;
  /** Resumes and shows all tabs. */
  readonly calm: () => void;
  /** The tabs have changed, so that another one may have to lead. */
  readonly note: () => void;
}

export const createTabActs = (
  options: DeviceOptions,
  parts: DeviceParts,
  app: AppRunner,
  running: DeviceProcess[],
): TabActs => {
  const { number, settings, network, log } = options;
  const tabsMax = tabsMaxOf(number, settings);
  const watch = createHandOverWatch(options, parts, running);
  const { note } = watch;
  const leader = (): number | undefined => parts.browser?.lockHolders().get(leadLock);

  const pick = (from: readonly DeviceProcess[], { seed, tab }: TabChoice): DeviceProcess | undefined => {
    const isLeader = (process: DeviceProcess): boolean => process.tab === leader();
    const among = tab === undefined ? from : from.filter((each) => isLeader(each) === (tab === 'leader'));
    return among[Math.floor(createSeededRandom(mixNumbers(seed, 7))() * among.length)];
  };
  const isFrozen = ({ page }: DeviceProcess): boolean => page?.isFrozen() === true;
  const choose: TabActs['choose'] = (at) => {
    if (tabsMax === 1) return running[0];
    const usable = running.filter((each) => each.realm !== null && !isFrozen(each));
    return at ? pick(usable, at) : usable.at(-1);
  };
  const openTab = (hidden: boolean): void => {
    const process = startTab(options, parts, hidden);
    running.push(process);
    parts.logIns.opened(process.tab);
    log('tab', hidden ? 'opened hidden' : 'opened', [], process.tab);
    app.open(process);
    note();
  };
  const end = (process: DeviceProcess | undefined, how: 'closed' | 'crashed'): void => {
    if (!process?.page) return;
    log('tab', how, [], process.tab);
    running.splice(running.indexOf(process), 1);
    if (how === 'closed') process.page.close();
    else process.page.crash();
    network.cutTab(number, process.tab);
    process.subscription.unsubscribe();
    note();
  };
  const change = (
    process: DeviceProcess | undefined,
    what: 'freeze' | 'suspend' | 'resume' | 'hide' | 'show',
  ): void => {
    if (!process?.page) return;
    log('tab', what, [], process.tab);
    if (what === 'freeze') parts.logIns.leaves(process.tab);
    process.page[what]();
    note();
  };

  return {
    open: () => {
      if (running.length === 0) openTab(false);
      else for (const process of running) if (process.realm === null && !isFrozen(process)) app.open(process);
    },
    openTab: ({ seed }) => {
      if (running.length > 0 && running.length < tabsMax) openTab(createSeededRandom(seed)() < 0.2);
    },
    closeTab: (at) => end(pick(running, at), 'closed'),
    crashTab: (at) => end(pick(running, at), 'crashed'),
    freeze: (at) =>
      change(
        pick(
          running.filter((each) => !isFrozen(each)),
          at,
        ),
        'freeze',
      ),
    suspend: (at) => {
      const process = pick(
        running.filter((each) => !isFrozen(each)),
        at,
      );
      change(process, 'suspend');
      // The server would end the connection only later, and the page cannot.
      if (process) network.cutTab(number, process.tab);
    },
    resumeTab: (at) => {
      parts.staleUntil = options.scheduler.now() + staleMs;
      change(pick(running.filter(isFrozen), at), 'resume');
    },
    hide: (at) =>
      change(
        pick(
          running.filter(({ page }) => page?.isHidden() === false),
          at,
        ),
        'hide',
      ),
    show: (at) =>
      change(
        pick(
          running.filter(({ page }) => page?.isHidden() === true),
          at,
        ),
        'show',
      ),
    choose,
    calm: () => {
      parts.staleUntil = options.scheduler.now() + staleMs;
      for (const { page } of running) {
        page?.resume();
        page?.show();
      }
      note();
    },
    note,
  };
};
