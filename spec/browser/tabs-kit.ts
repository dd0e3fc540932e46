import { type Browser, type Lab, type Page, runWithLab } from './chromium-lab.js';
import type { Calls, PageOptions } from './tabs-page.js';
import { createTabsSite, type TabsSite } from './tabs-site.js';

export type Tab = Page<Calls>;

/** A browser, a server, and the tabs that a spec opens. */
export interface TabsKit {
  readonly lab: () => Lab<Calls>;
  readonly site: () => TabsSite;
  /** Opens a tab with a realm of the same name as its storage. */
  readonly openTab: (storage: string, options?: Partial<PageOptions>, path?: string) => Promise<Tab>;
  /** Opens a tab without a realm. */
  readonly openPage: (path?: string) => Promise<Tab>;
  /** Opens tabs on a new storage with a total. */
  readonly openTabs: (storage: string, count: number) => Promise<Tab[]>;
  /** Opens the realm in a page. Returns the error of a realm that could not be opened. */
  readonly open: (tab: Tab, storage: string, options?: Partial<PageOptions>) => Promise<unknown>;
  /** Opens the realm in a page, or returns that it was not opened in ten seconds. */
  readonly openInTime: (tab: Tab, storage: string) => Promise<unknown>;
  /** Kills the browser and starts it again. */
  readonly restart: () => Promise<void>;
  /** Closes all tabs that were opened. Fails for errors that they did not handle. */
  readonly closeAll: () => Promise<void>;
}

/** Waits for a call of a tab to have a result. */
export const waitForCall = async <Name extends keyof Calls>(
  tab: Tab,
  name: Name,
  isExpected: (result: Awaited<ReturnType<Calls[Name]>>) => boolean,
  ...args: Parameters<Calls[Name]>
): Promise<void> => {
  let result: unknown;
  for (const ends = Date.now() + 10_000; Date.now() < ends;) {
    const found = (result = await tab.call(name, ...(args as never))) as Awaited<ReturnType<Calls[Name]>>;
    if (isExpected(found)) return;
  }
  throw new Error(`${name} never returned what was expected, last ${JSON.stringify(result)}`);
};

export const waitForIds = (tab: Tab, ...ids: readonly string[]): Promise<void> =>
  waitForCall(tab, 'ids', (found) => found.join() === [...ids].sort().join());

/** Waits until a tab shows that everything is on the server. */
export const waitUntilSynced = (tab: Tab): Promise<void> =>
  waitForCall(tab, 'session', ({ connectionState, pending }) => connectionState === 'connected' && pending === 0);

/** The tab that leads, among tabs that all run. Waits while none does. */
export const leaderOf = async (tabs: readonly Tab[], storage: string): Promise<Tab> => {
  for (const ends = Date.now() + 10_000; Date.now() < ends;)
    for (const tab of tabs) if (await tab.call('leads', storage)) return tab;
  throw new Error('No tab ever leads.');
};

export const runWithTabs = (): TabsKit => {
  let lab: Lab<Calls> | undefined;
  let browser: Browser<Calls> | undefined;
  let site: TabsSite | undefined;
  let pages: Tab[] = [];
  runWithLab<Calls>(async (ready) => {
    lab = ready;
    browser = await ready.browser();
    site = await createTabsSite();
  }, 'tabs-page.ts');
  afterAll(() => site?.end());
  const kit: TabsKit = {
    lab: () => lab!,
    site: () => site!,
    openPage: async (path) => {
      const page = await browser!.page(path);
      pages.push(page);
      return page;
    },
    open: (tab, storage, options = {}) => tab.call('open', storage, { url: site!.urlOf(storage), ...options }),
    openInTime: async (tab, storage) => {
      await tab.call('beginToOpen', storage, { url: site!.urlOf(storage) });
      await waitForCall(tab, 'opening', (outcome) => outcome !== null).catch(() => undefined);
      return (await tab.call('opening')) ?? 'not opened in time';
    },
    openTab: async (storage, options, path) => {
      const tab = await kit.openPage(path);
      const outcome = await kit.open(tab, storage, options);
      if (outcome !== 'done') throw new Error(`The realm was not opened: ${JSON.stringify(outcome)}`);
      return tab;
    },
    openTabs: async (storage, count) => {
      const tabs: Tab[] = [];
      for (let left = count; left > 0; left -= 1) tabs.push(await kit.openTab(storage));
      await tabs[0]!.call('createTotal');
      for (const tab of tabs) await waitForCall(tab, 'hasTotal', Boolean);
      return tabs;
    },
    restart: async () => {
      await browser!.kill();
      pages = [];
      browser = await lab!.browser();
    },
    closeAll: async () => {
      const closed = pages;
      pages = [];
      for (const page of closed) {
        if (page.errors.length > 0) throw new Error(`A page did not handle errors: ${page.errors.join('; ')}`);
        if (!page.opened.isClosed()) await page.close();
      }
    },
  };
  return kit;
};
