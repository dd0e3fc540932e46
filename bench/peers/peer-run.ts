import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { withTimeLimit, sleep } from './time-limits.js';
import { type Child, findFreePort, processorMsOf, readMachineTimes, startChild } from './child-processes.js';
import type { ClientMethods } from './client-process.js';
import { type Peer, type PeerName, peers } from './peer.js';
import type { ServerMethods } from './server-process.js';

export interface RunningServer extends Child<ServerMethods> {
  readonly port: number;
  /** The moment at which the server listens. */
  readonly readyAt: number;
}
export type RunningClients = Child<ClientMethods>;

/** Numbers of items and clients. */
export const fullSizes = {
  upload: 10_000,
  download: 10_000,
  largeDownload: 100_000,
  latency: 2_000,
  live: 10_000,
  readers: 100,
  fanOut: 200,
  idleClients: 1_000,
  warmUp: 300,
};
export type Sizes = typeof fullSizes;
export const smallSizes: Sizes = {
  upload: 500,
  download: 500,
  largeDownload: 2_000,
  latency: 200,
  live: 500,
  readers: 10,
  fanOut: 20,
  idleClients: 20,
  warmUp: 50,
};

/** The processes and folders of one run of a task with one peer. */
export interface PeerRun {
  readonly name: PeerName;
  readonly peer: Peer;
  readonly sizes: Sizes;
  /** Creates a folder that the end of the run removes. */
  readonly createFolder: (name: string) => string;
  /** Creates a folder for all runs of this peer, and returns whether an earlier run has filled it. */
  readonly openSeed: (total: number) => {
    readonly folder: string;
    readonly isFilled: boolean;
    readonly fill: () => void;
  };
  readonly startServer: (
    folder: string,
    given?: { port: number; child: Child<ServerMethods> },
  ) => Promise<RunningServer>;
  /** Starts a process for a server that starts later: the start of Node does not count. */
  readonly prepareServer: () => Promise<Child<ServerMethods>>;
  readonly startClients: (label: string, server: RunningServer) => Promise<RunningClients>;
  readonly kill: (child: Child<unknown>) => Promise<void>;
  /** Kills all processes. Returns the percentage of the machine's processor time that other programs used. */
  readonly end: () => Promise<number>;
  /** Returns what the processes reported on the standard error. */
  readonly errorText: () => string;
}

/** Seeded folders: a key has the peer and the number of items. */
export type Seeds = Set<string>;

export const createPeerRun = (name: PeerName, sizes: Sizes, dataFolder: string, seeds: Seeds): PeerRun => {
  const peer = peers[name];
  const children: Child<unknown>[] = [];
  const counted = new Set<number>();
  const began = { machine: readMachineTimes(), benchmark: processorMsOf(process.pid) };
  let ownMs = 0;
  const runFolder = join(dataFolder, 'run');

  const start = <M extends object>(program: 'server-process' | 'client-process', label: string): Child<M> => {
    const child = startChild<M>(program, `${name} ${label}`);
    children.push(child);
    return child;
  };
  const createFolder = (folder: string): string => {
    const path = join(runFolder, folder);
    mkdirSync(path, { recursive: true });
    return path;
  };
  const kill = async (child: Child<unknown>): Promise<void> => {
    if (!counted.has(child.pid)) ownMs += processorMsOf(child.pid);
    counted.add(child.pid);
    await child.kill();
  };
  const prepareServer = async (): Promise<Child<ServerMethods>> => {
    const child = start<ServerMethods>('server-process', 'server');
    await withTimeLimit(child.call.processorMs(), 10_000, 'the start of a process');
    return child;
  };

  return {
    name,
    peer,
    sizes,
    createFolder,
    openSeed: (total) => {
      const key = `seed-${name}-${total}`;
      const folder = join(dataFolder, key);
      mkdirSync(folder, { recursive: true });
      return { folder, isFilled: seeds.has(key), fill: () => seeds.add(key) };
    },
    prepareServer,
    startServer: async (folder, given) => {
      const child = given?.child ?? (await prepareServer());
      const port = given?.port ?? (await findFreePort());
      const readyAt = await withTimeLimit(child.call.start(name, port, folder), 30_000, 'the start of the server');
      return { ...child, port, readyAt };
    },
    startClients: async (label, { port }) => {
      const child = start<ClientMethods>('client-process', label);
      await withTimeLimit(child.call.use(name, port), 30_000, `the start of ${label}`);
      return child;
    },
    kill,
    end: async () => {
      await Promise.all(children.map(kill));
      const { busyMs, totalMs } = readMachineTimes();
      rmSync(runFolder, { recursive: true, force: true, maxRetries: 10 });
      const own = ownMs + processorMsOf(process.pid) - began.benchmark;
      const share = (busyMs - began.machine.busyMs - own) / (totalMs - began.machine.totalMs);
      return Math.max(0, Math.round(share * 100));
    },
    errorText: () =>
      children
        .map((child) => child.errorText().trim())
        .filter(Boolean)
        .join('\n'),
  };
};

const busyShareMax = 0.25;

/** Waits until other programs leave the machine three quarters idle, but not longer than a limit. */
export const waitForQuietMachine = async (msMax: number): Promise<void> => {
  for (let waited = 0; waited < msMax; waited += 500) {
    const before = readMachineTimes();
    await sleep(500);
    const after = readMachineTimes();
    if ((after.busyMs - before.busyMs) / Math.max(1, after.totalMs - before.totalMs) < busyShareMax) return;
  }
};
