/*
 * npm run bench -- tabs [--quick] [--rounds N] [opening|memory|latency|hand-over …]: one realm in several tabs of
 * Chromium. See docs/BENCHMARKS.md.
 */
import { formatLimitsTable, isLimitMissed, type LimitRow } from '../limits/limits-table.js';
import { measureHandOvers } from './hand-overs.js';
import { openTabBrowser, type TabBrowser } from './tab-browser.js';
import { measureLatency, measureMemory, measureOpening } from './tab-costs.js';
import { readTabsOptions, type TabMeasurementName, type TabsOptions } from './tabs-options.js';

type Measure = (browser: TabBrowser, options: TabsOptions) => Promise<readonly LimitRow[]>;

const measurements: Readonly<Record<TabMeasurementName, Measure>> = {
  opening: (browser, { isQuick }) => measureOpening(browser, isQuick),
  memory: (browser, { isQuick }) => measureMemory(browser, isQuick),
  latency: (browser, { isQuick }) => measureLatency(browser, isQuick),
  'hand-over': measureHandOvers,
};

const readOptions = (args: readonly string[]): TabsOptions | null => {
  try {
    return readTabsOptions(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return null;
  }
};

/** Runs the measurements one after the other, prints a table, and returns the exit code: 1 for a missed target. */
export const benchTabs = async (args: readonly string[]): Promise<number> => {
  const options = readOptions(args);
  if (options === null) return 2;
  const rows: LimitRow[] = [];
  let failures = 0;
  let version = '';
  for (const name of options.names) {
    const began = performance.now();
    const browser = await openTabBrowser();
    version = browser.version;
    try {
      rows.push(...(await measurements[name](browser, options)));
      console.error(`${name}: ${((performance.now() - began) / 1_000).toFixed(1)} s`);
    } catch (error) {
      failures += 1;
      console.error(`${name} failed:`, error);
    } finally {
      await browser.close();
    }
  }
  console.log(`Chromium ${version}; ${options.rounds} hand-overs of each kind\n\n${formatLimitsTable(rows)}`);
  const missed = rows.filter(isLimitMissed).length;
  if (missed > 0) console.log(`\n${missed} ${missed === 1 ? 'target' : 'targets'} missed.`);
  return failures > 0 || missed > 0 ? 1 : 0;
};
