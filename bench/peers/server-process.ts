/* The server of a run, in a process of its own. */
import { now, sleep } from './time-limits.js';
import { loadAdapter } from './load-adapter.js';
import { peers, type PeerName, type PeerServer } from './peer.js';
import { answerCalls } from './remote-calls.js';

/** Moments at which a server had a number of items; null before. */
export interface Holding {
  readonly acceptedAt: number | null;
  readonly durableAt: number | null;
  /** Items in memory at the end. */
  readonly count: number;
}

let server: PeerServer | null = null;

const countHeld = async (realm: string) => (await server?.countHeld?.(realm)) ?? { accepted: 0, durable: 0 };

const methods = {
  /** Returns the moment at which the server listens. */
  start: async (name: PeerName, port: number, folder: string): Promise<number> => {
    const { adapter, variant } = peers[name];
    server = await (await loadAdapter(adapter)).createServer({ port, folder, variant });
    return now();
  },
  /** Waits until the storage of the server has a number of items, or until the time is up. */
  waitUntilHeld: async (realm: string, total: number, msMax: number): Promise<Holding> => {
    const end = now() + msMax;
    let acceptedAt: number | null = null;
    for (;;) {
      const { accepted, durable } = await countHeld(realm);
      const time = now();
      if (accepted >= total) acceptedAt ??= time;
      if (durable >= total) return { acceptedAt, durableAt: time, count: accepted };
      if (time > end) return { acceptedAt, durableAt: null, count: accepted };
      await sleep(1);
    }
  },
  processorMs: (): Promise<number> => {
    const { user, system } = process.cpuUsage();
    return Promise.resolve((user + system) / 1_000);
  },
  /** Returns resident memory in bytes, after garbage collections. */
  memoryBytes: async (): Promise<number> => {
    for (let round = 0; round < 3; round += 1) {
      globalThis.gc?.();
      await sleep(30);
    }
    return process.memoryUsage.rss();
  },
  stop: async (): Promise<void> => server?.stop(),
};

export type ServerMethods = typeof methods;

answerCalls(methods);
