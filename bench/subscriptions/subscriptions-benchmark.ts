/*
 * npm run bench -- subscriptions [--quick] [--objects N] [--rounds N] [upload|touches|projection|bootstrap|change|
 * latency|restart|memory|routing …]: what subscriptions cost, beside the same work without them. See
 * docs/BENCHMARKS.md.
 */
import { loadavg } from 'node:os';
import { formatLimitsTable, isLimitMissed, type LimitRow } from '../limits/limits-table.js';
import { machineText } from '../result-table.js';
import { measureBootstrap, measureChange } from './bootstrap-rows.js';
import { measureRouting } from './routing-rows.js';
import { measureMemory, measureRestart } from './session-rows.js';
import { measureProjection, measureTouches } from './storage-rows.js';
import { readSubscriptionsOptions, type SubscriptionName, type SubscriptionsOptions } from './subscriptions-options.js';
import { measureLatency, measureUpload } from './sync-rows.js';

const measurements: Readonly<Record<SubscriptionName, (options: SubscriptionsOptions) => Promise<LimitRow[]>>> = {
  upload: measureUpload,
  touches: measureTouches,
  projection: measureProjection,
  bootstrap: measureBootstrap,
  change: measureChange,
  latency: measureLatency,
  restart: measureRestart,
  memory: measureMemory,
  routing: measureRouting,
};

const readOptions = (args: readonly string[]): SubscriptionsOptions | null => {
  try {
    return readSubscriptionsOptions(args);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return null;
  }
};

const loadText = (): string => `load ${loadavg()[0]?.toFixed(1) ?? 'unknown'}`;

/** Runs the measurements one after the other, prints a table, and returns the exit code: 1 for a missed target. */
export const benchSubscriptions = async (args: readonly string[]): Promise<number> => {
  const options = readOptions(args);
  if (options === null) return 2;
  const before = loadText();
  const rows: LimitRow[] = [];
  let failures = 0;
  for (const name of options.names) {
    const began = performance.now();
    try {
      rows.push(...(await measurements[name](options)));
      console.error(`${name}: ${((performance.now() - began) / 1_000).toFixed(1)} s`);
    } catch (error) {
      failures += 1;
      console.error(`${name} failed:`, error);
    }
  }
  console.log(`${machineText()}; medians of ${options.rounds}; ${before} before, ${loadText()} after\n`);
  console.log(formatLimitsTable(rows));
  const missed = rows.filter(isLimitMissed).length;
  if (missed > 0) console.log(`${missed} ${missed === 1 ? 'target' : 'targets'} missed.`);
  return failures > 0 || missed > 0 ? 1 : 0;
};
