import { type Tab, type TabsKit, waitForCall } from './tabs-kit.js';
import type { PageOutcome } from './tabs-page.js';

/** Milliseconds until all tabs must be equal. */
const settleMsMax = 20_000;

/** The writes of the tabs of one storage, and how they ended. */
export interface WriteLog {
  readonly storage: string;
  /** Opens a tab whose writes are logged, without a realm. */
  readonly openPage: () => Promise<Tab>;
  /** Opens tabs with the realm, and creates its total. */
  readonly openTabs: (count: number) => Promise<Tab[]>;
  /** Opens the realm in a page that was opened or reloaded. What its document had begun before has no outcome. */
  readonly open: (tab: Tab) => Promise<void>;
  /** Begins writes, named by the prefix. */
  readonly begin: (tab: Tab, prefix: string, count: number) => Promise<void>;
  /**
   * Checks that all tabs and the server are equal, with one socket, and that every write has ended. Each resolved one
   * must be there once, and each rejected one not. Returns the number of rejected writes.
   */
  readonly check: (tabs: readonly Tab[]) => Promise<number>;
}

/** The names of writes. */
export const namesOf = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `${prefix}-${at}`);

export const createWriteLog = (kit: TabsKit, storage: string): WriteLog => {
  const ended = new Map<string, PageOutcome>();
  const begun = new Map<Tab, string[]>();

  const differencesOf = async (tabs: readonly Tab[]): Promise<readonly string[]> => {
    const found: string[] = [];
    const server = await kit.site().read(storage);
    if (server.count !== server.ids.length) found.push(`${server.ids.length} tasks were counted as ${server.count}`);
    for (const [at, tab] of tabs.entries()) {
      // A page that is being left cannot report the end of a write.
      for (const [id, outcome] of Object.entries(await tab.call('outcomes'))) ended.set(id, outcome);
      const [ids, count, session] = [await tab.call('ids'), await tab.call('count'), await tab.call('session')];
      if (ids.join() !== server.ids.join() || count !== server.count)
        found.push(`tab ${at} has ${ids.length} tasks and counts ${count}, the server has ${server.ids.length}`);
      if (session.connectionState !== 'connected' || session.pending > 0)
        found.push(`the session of tab ${at} is ${JSON.stringify(session)}`);
      const open = begun.get(tab)!.filter((id) => !ended.has(id));
      if (open.length > 0) found.push(`${open.length} writes of tab ${at} never ended, first ${open[0]!}`);
    }
    return found;
  };

  const log: WriteLog = {
    storage,
    openPage: async () => {
      const tab = await kit.openPage();
      await tab.opened.exposeFunction('noteEnd', (id: string, outcome: PageOutcome) => ended.set(id, outcome));
      begun.set(tab, []);
      return tab;
    },
    openTabs: async (count) => {
      const tabs: Tab[] = [];
      for (let left = count; left > 0; left -= 1) {
        const tab = await log.openPage();
        await log.open(tab);
        tabs.push(tab);
      }
      expect(await tabs[0]!.call('createTotal')).toBe('done');
      for (const tab of tabs) await waitForCall(tab, 'hasTotal', Boolean);
      return tabs;
    },
    open: async (tab) => {
      begun.set(tab, []);
      expect(await kit.openInTime(tab, storage)).toBe('done');
    },
    begin: async (tab, prefix, count) => {
      const names = namesOf(prefix, count);
      begun.get(tab)!.push(...names);
      await tab.call('begin', names);
    },
    check: async (tabs) => {
      let found: readonly string[] = ['not checked'];
      for (const ends = Date.now() + settleMsMax; found.length > 0 && Date.now() < ends;)
        found = await differencesOf(tabs);
      const all = [...ended];
      const ids = new Set((await kit.site().read(storage)).ids);
      const lost = all.filter(([id, outcome]) => outcome === 'done' && !ids.has(id));
      const undead = all.filter(([id, outcome]) => outcome !== 'done' && ids.has(id));
      expect({ found, lost, undead }).toEqual({ found: [], lost: [], undead: [] });
      for (const tab of tabs) expect(tab.errors).toEqual([]);
      expect(kit.site().live(storage)).toBe(1);
      expect(kit.site().doubleMs(storage)).toBeLessThan(1_000);
      return all.filter(([, outcome]) => outcome !== 'done').length;
    },
  };
  return log;
};
