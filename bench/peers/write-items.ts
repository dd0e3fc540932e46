import { now, sleep } from './time-limits.js';
import { createItem, type ItemPrefix } from './items.js';
import type { PeerClient } from './peer.js';

export interface WriteOrder {
  readonly prefix: ItemPrefix;
  readonly total: number;
  /** The distance of two writes; 0 for as fast as possible. */
  readonly intervalMs?: number;
}

export interface Writes {
  /** The moment of each call. */
  readonly times: Float64Array;
  readonly began: number;
}

/** Most writes whose promises are pending. */
const pendingMax = 32;
/** Synchronous writes in one event-loop turn. */
const writesPerTurn = 64;

/** Sleeps whole milliseconds until a moment. Spinning would take processor time from the peers. */
const sleepUntil = async (due: number): Promise<void> => {
  for (let wait = due - now(); wait > 0.2; wait = due - now()) await sleep(Math.max(1, Math.round(wait)));
};

/** Writes items, each in a transaction of its own, at a pace or as fast as the peer takes them. */
export const writeItems = async (
  client: PeerClient,
  { prefix, total, intervalMs = 0 }: WriteOrder,
): Promise<Writes> => {
  const times = new Float64Array(total);
  const pending = new Set<Promise<unknown>>();
  const began = now();
  for (let index = 0; index < total; index += 1) {
    if (intervalMs > 0) await sleepUntil(began + index * intervalMs);
    const item = createItem(prefix, index);
    times[index] = now();
    const written = client.write(item);
    if (written !== undefined) {
      const settled = written.finally(() => pending.delete(settled));
      pending.add(settled);
      if (pending.size >= pendingMax) await Promise.race(pending);
    } else if (intervalMs === 0 && index % writesPerTurn === writesPerTurn - 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await Promise.all(pending);
  return { times, began };
};
