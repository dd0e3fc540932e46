import { setImmediate as turn } from 'node:timers/promises';
import { firstValueFrom } from 'rxjs';
import { encodeClient } from '../lib/protocol/codec.js';
import type { Storage } from '../lib/index.js';
import { createSeededRandom, type SeededRandom } from './seeded-random.js';
import {
  createFrameGenerator,
  healthyRealm,
  oldRealm,
  openingMessages,
  starts,
  type Start,
} from './frame-generator.js';
import { createCheckedConnection, type CheckedConnection } from './checked-connection.js';
import { findSkimmingFaultInFrame } from './check-skimming.js';
import { recordConversation } from './recorded-messages.js';
import {
  fillOldRealm,
  closeFuzzServer,
  startHealthyDevices,
  createFuzzServer,
  type HealthyDevices,
  type FuzzServer,
} from './fuzz-server.js';

export interface FuzzOptions {
  readonly seed: number;
  readonly frames: number;
  /** Collects garbage and returns the heap in use. Without it the run does not check memory. */
  readonly heapUsed?: () => Promise<number>;
  readonly progress?: (frames: number) => void;
}

export interface FuzzReport {
  readonly frames: number;
  readonly connections: number;
  readonly ms: number;
  /** Numbers of frames by generator, and of connections by start and by end. */
  readonly counts: ReadonlyMap<string, number>;
  /** Heap in use after all connections have closed, at each tenth of the run. */
  readonly heaps: readonly number[];
  /** The number of objects of the healthy devices at the end. */
  readonly objects: number;
}

/** The server violated a rule. The text has everything that is needed to repeat it. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';
}

const connectionsPerRound = 8;
const framesPerRound = 500;
/** Frames after which all connections close, and no state of them may be left. */
const framesPerEra = 2_500;
const waitMsMax = 5_000;

const countUp = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);

/** Waits for a condition with a time limit. Returns whether the condition holds. */
const waitUntil = async (is: () => boolean): Promise<boolean> => {
  const began = performance.now();
  while (!is()) {
    if (performance.now() - began > waitMsMax) return false;
    await turn();
  }
  return true;
};

interface FuzzConnection {
  readonly start: Start;
  /** Sends only valid messages. */
  readonly isPolite: boolean;
  readonly checked: CheckedConnection;
  /** A server of this connection, which is going to close. */
  readonly own: FuzzServer | null;
}

const describeConnection = ({ start, checked }: FuzzConnection, what: string): string =>
  [
    `a connection that began "${start}" and ended with ${String(checked.end())}: ${what}`,
    ...checked.frames.map((frame) => `  ${Buffer.from(frame.subarray(0, 2_000)).toString('hex')}`),
  ].join('\n');

/** All entries but those of the healthy realm and the history of the old one, after all sessions have ended. */
const purge = async (storage: Storage): Promise<void> => {
  const kept = [
    `realm/${healthyRealm}/`,
    ...['id', 'log/', 'object', 'projection'].map((key) => `realm/${oldRealm}/${key}`),
  ];
  const all = await firstValueFrom(storage.range({ from: ' ', to: '\x7f', limit: Infinity, bytesMax: Infinity }));
  const other = all.filter(([key]) => /^realm\/[^/]+\//.test(key) && !kept.some((prefix) => key.startsWith(prefix)));
  const isOld = (key: string): boolean => key.startsWith(`realm/${oldRealm}/`);
  const strays = other.filter(([key]) => !isOld(key) || /\/(?:replica|seen|lack|refused)\//.test(key));
  const batch$ = storage.batch(
    strays.map(([key]) => ({ type: 'del', key })),
    { durable: false },
  );
  await new Promise<void>((resolve, reject) => batch$.subscribe({ complete: resolve, error: reject }));
};

/** Runs the fuzzer. Resolves when the server has passed; rejects with a `FuzzFailure`. */
export const fuzz = async ({ seed, frames: goal, heapUsed, progress }: FuzzOptions): Promise<FuzzReport> => {
  const counts = new Map<string, number>();
  const failures: unknown[] = [];
  const recordFailure = (error: unknown): void => void failures.push(error);
  const frame = createFrameGenerator(await recordConversation());
  const server = createFuzzServer(recordFailure);
  await fillOldRealm(server);
  const devices: HealthyDevices = await startHealthyDevices(server);
  const { serverCounters } = server.core;
  const quiet = { connections: serverCounters.connections, sessions: serverCounters.sessions };
  const began = performance.now();
  const heaps: number[] = [];
  let frames = 0;
  let connections = 0;
  let objects = 0;

  const fail = (text: string): never => {
    throw new FuzzFailure(`seed ${seed}, after ${frames} frames: ${text}`);
  };
  const checkProblems = (connection: FuzzConnection): void => {
    const [problem] = connection.checked.problems;
    if (problem !== undefined) fail(describeConnection(connection, problem));
  };

  /** Every second connection sends only valid messages, because the others end soon. */
  const openConnection = (chance: SeededRandom, realm: string, at: number): FuzzConnection => {
    const isPolite = at % 2 === 0;
    const start =
      !isPolite && chance.isLikely(0.6) ? 'unbound' : chance.isLikely(0.02) ? 'closing' : chance.pick(starts);
    const own = start === 'closing' ? createFuzzServer(recordFailure) : null;
    const checked = createCheckedConnection((own ?? server).core.wire);
    connections += 1;
    countUp(counts, `began ${start}`);
    for (const message of openingMessages(start, realm, `r${chance.below(12)}`)) {
      checked.send(encodeClient(message));
      frames += 1;
      countUp(counts, 'opening');
    }
    return { start, isPolite, checked, own };
  };

  const finish = async (chance: SeededRandom, connection: FuzzConnection): Promise<void> => {
    const { checked, own } = connection;
    if (!(await waitUntil(() => checked.missingAnswer() === null)))
      fail(describeConnection(connection, `has not sent ${checked.missingAnswer() ?? ''}`));
    checked.send(encodeClient({ type: 'ping', sentAt: connections }));
    if (own === null && chance.isLikely(0.5)) checked.close();
    else if (own === null) checked.disconnect();
    checkProblems(connection);
    countUp(counts, `ended ${String(checked.end())}`);
  };

  const round = async (chance: SeededRandom, realm: string): Promise<void> => {
    const openConnections = Array.from({ length: connectionsPerRound }, (_, at) => openConnection(chance, realm, at));
    const closings: Promise<unknown>[] = [];
    for (const most = Math.min(goal, frames + framesPerRound); frames < most;) {
      const at = chance.below(connectionsPerRound);
      let connection = openConnections[at]!;
      if (!connection.checked.isOpen()) {
        await finish(chance, connection);
        if (connection.own !== null) closings.push(closeFuzzServer(connection.own));
        connection = openConnection(chance, realm, at);
        openConnections[at] = connection;
      }
      const [kind, bytes] = frame(chance, connection.checked, { realm, isPolite: connection.isPolite });
      frames += 1;
      countUp(counts, kind);
      const skimmingFault = findSkimmingFaultInFrame(bytes);
      if (skimmingFault !== null) fail(skimmingFault);
      connection.checked.send(bytes);
      checkProblems(connection);
      if (connection.own !== null && chance.isLikely(0.3)) closings.push(closeFuzzServer(connection.own));
      if (chance.isLikely(0.03)) await turn();
    }
    for (const { own } of openConnections) if (own !== null) closings.push(closeFuzzServer(own));
    for (const connection of openConnections) await finish(chance, connection);
    for (const { checked } of openConnections) checked.disconnect();
    await Promise.all(closings);
  };

  /** Checks that no state is left after all connections have closed. */
  const checkEmpty = async (): Promise<void> => {
    const isEmpty = async (): Promise<boolean> =>
      (await firstValueFrom(server.core.metrics.text$)).includes('tidemark_realms_open 1\n');
    const isQuiet = (): boolean =>
      serverCounters.connections === quiet.connections && serverCounters.sessions === quiet.sessions;
    const deadline = performance.now() + waitMsMax;
    while (!isQuiet() || !(await isEmpty())) {
      if (performance.now() > deadline)
        fail(`left open: ${serverCounters.connections} connections, ${serverCounters.sessions} sessions, or a realm`);
      await turn();
    }
    if (failures.length > 0)
      fail(
        `the server recordFailure: ${failures.map((error) => (error instanceof Error ? error.stack : String(error))).join('\n')}`,
      );
    await purge(server.storage);
  };

  process.on('uncaughtException', recordFailure).on('unhandledRejection', recordFailure);
  try {
    for (let era = 0, rounds = 0; frames < goal; era += 1) {
      const chance = createSeededRandom(Math.imul(seed, 1_000_003) + era);
      await devices.write();
      for (const most = Math.min(goal, (era + 1) * framesPerEra); frames < most; rounds += 1)
        await round(chance, `team-${rounds}`);
      await checkEmpty();
      if (frames < ((heaps.length + 1) * goal) / 10) continue;
      objects = await devices.checkConverged();
      heaps.push((await heapUsed?.()) ?? 0);
      progress?.(frames);
    }
    await devices.close();
    await closeFuzzServer(server);
    return { frames, connections, ms: performance.now() - began, counts, heaps, objects };
  } finally {
    process.off('uncaughtException', recordFailure).off('unhandledRejection', recordFailure);
  }
};

/** Bytes by which the heap may grow after the warm-up: the history of the healthy realm. */
export const growthBytesMax = 8 * 1024 * 1024;

/** The growth of the heap after the first three tenths of a run. */
export const growthOf = ({ heaps }: FuzzReport): number => (heaps.at(-1) ?? 0) - Math.max(...heaps.slice(0, 3));

/** The lines of the protocol that a run has covered, for its report. */
export const textOf = ({ frames, connections, ms, counts, heaps, objects }: FuzzReport): string =>
  [
    `${frames} frames on ${connections} connections in ${(ms / 1_000).toFixed(1)} s: ${Math.round((frames * 1_000) / ms)} frames a second`,
    ...[...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, times]) => `  ${name}: ${times}`),
    `heap in use, MB: ${heaps.map((bytes) => (bytes / 1_048_576).toFixed(1)).join(', ')}`,
    `the healthy devices have the same ${objects} objects`,
  ].join('\n');
