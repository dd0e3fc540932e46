/*
 * npm run bench -- limits [--quick] [--updates N] [--queue N] [opening|import|session|clients|disk|catch-up|
 * write-cost|queue …]: single figures of tidemark with their targets. See docs/BENCHMARKS.md.
 */
import { machineText } from '../result-table.js';
import { type LimitsOptions, readLimitsOptions } from './limits-options.js';
import { limitMeasurements } from './limits-rows.js';
import { formatLimitsTable, isLimitMissed, type LimitRow } from './limits-table.js';

const readOptions = (args: readonly string[]): LimitsOptions | null => {
  try {
    return readLimitsOptions(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return null;
  }
};

/** Runs the measurements one after the other, prints a table, and returns the exit code: 1 for a missed target. */
export const benchLimits = async (args: readonly string[]): Promise<number> => {
  const options = readOptions(args);
  if (options === null) return 2;
  const rows: LimitRow[] = [];
  let failures = 0;
  for (const name of options.names) {
    const began = performance.now();
    try {
      rows.push(...(await limitMeasurements[name](options)));
      console.error(`${name}: ${((performance.now() - began) / 1_000).toFixed(1)} s`);
    } catch (error) {
      failures += 1;
      console.error(`${name} failed:`, error);
    }
  }
  console.log(`${machineText()}\n`);
  console.log(formatLimitsTable(rows));
  console.log('\nThe first download in a fresh process is measured by "npm run bench -- peers T2".');
  const missed = rows.filter(isLimitMissed).length;
  if (missed > 0) console.log(`${missed} ${missed === 1 ? 'target' : 'targets'} missed.`);
  return failures > 0 || missed > 0 ? 1 : 0;
};
