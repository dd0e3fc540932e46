import { markHandled, withTimeLimit, sleep } from './time-limits.js';
import type { Child } from './child-processes.js';
import type { PeerRun, RunningClients, RunningServer } from './peer-run.js';

/** Figures of one run of a task, by the keys of `figures.ts`. */
export type RunFigures = Readonly<Record<string, number>>;
/** Plays a task once. Rejects when it fails. */
export type Task = (run: PeerRun) => Promise<RunFigures>;

export const measuredRealm = 'measured';

/** Lets the processes transfer items in a new realm first, so that their code is compiled and files are open. */
export const warmUp = async (run: PeerRun, writer: RunningClients, reader: RunningClients): Promise<void> => {
  const total = run.sizes.warmUp;
  const open = (clients: RunningClients, key: string) =>
    clients.call.open(key, { realm: `warm-up-${reader.pid}`, folder: run.createFolder(`${key}-${clients.pid}`) });
  await open(writer, 'warm-writer');
  await open(reader, 'warm-reader');
  await reader.call.expect('warm-reader', 'wu', total);
  const connecting = [writer.call.connect('warm-writer'), reader.call.connect('warm-reader')];
  await withTimeLimit(Promise.all(connecting), 15_000, 'connecting for the warm-up');
  await withTimeLimit(writer.call.write('warm-writer', { prefix: 'wu', total }), 20_000, 'the writes of the warm-up');
  if (!(await reader.call.waitForItems('warm-reader', 20_000)).isComplete)
    throw new Error('the warm-up did not arrive');
  const closing = [writer.call.close('warm-writer'), reader.call.close('warm-reader')];
  await withTimeLimit(Promise.all(closing), 15_000, 'closing the clients of the warm-up');
  await sleep(200);
};

/** A server, and a writer and a reader that are connected to one realm. */
export interface ConnectedPair {
  readonly server: RunningServer;
  readonly folder: string;
  readonly writer: RunningClients;
  readonly reader: RunningClients;
}

/** The item of the first contact is in the realm too. */
export const firstContactItems = 1;

export const connectPair = async (run: PeerRun): Promise<ConnectedPair> => {
  const folder = run.createFolder('server');
  const server = await run.startServer(folder);
  const writer = await run.startClients('writer', server);
  const reader = await run.startClients('reader', server);
  await warmUp(run, writer, reader);
  await writer.call.open('writer', { realm: measuredRealm, folder: run.createFolder('writer') });
  await reader.call.open('reader', { realm: measuredRealm, folder: run.createFolder('reader') });
  await reader.call.expect('reader', 'fc', firstContactItems);
  const connecting = [writer.call.connect('writer'), reader.call.connect('reader')];
  await withTimeLimit(Promise.all(connecting), 20_000, 'connecting');
  await writer.call.write('writer', { prefix: 'fc', total: firstContactItems });
  if (!(await reader.call.waitForItems('reader', 20_000)).isComplete) throw new Error('the first item did not arrive');
  await sleep(500);
  return { server, folder, writer, reader };
};

/** Begins to measure processor time. The result ends the measurement: milliseconds of each process. */
export const watchProcessorTime = async (
  ...children: readonly Child<{ readonly processorMs: () => Promise<number> }>[]
): Promise<() => Promise<readonly number[]>> => {
  const read = () => Promise.all(children.map(({ call }) => call.processorMs()));
  const before = await read();
  return async () => (await read()).map((ms, at) => ms - (before[at] ?? NaN));
};

export interface Uploaded {
  /** The moment before the connection attempt. */
  readonly began: number;
  /** The moment at which the server had stored everything. */
  readonly durableAt: number;
  /** The moment at which the client knew it, where the peer reports it. */
  readonly acknowledgedAt: number | null;
}

/** Connects a client that has written offline, and waits until the server has stored its items. */
export const connectAndUpload = async (
  run: PeerRun,
  server: RunningServer,
  writer: RunningClients,
  total: number,
  msMax: number,
): Promise<Uploaded> => {
  const { isCountedByServer } = run.peer;
  const holding = isCountedByServer ? markHandled(server.call.waitUntilHeld(measuredRealm, total, msMax)) : null;
  const connecting = markHandled(writer.call.connect('writer'));
  const acknowledging = markHandled(connecting.then(() => writer.call.waitForServer('writer', msMax)));
  const held = await holding;
  const began = await withTimeLimit(connecting, msMax, 'connecting');
  const acknowledgedAt = await withTimeLimit(acknowledging, held ? 10_000 : msMax, 'the acknowledgement');
  const durableAt = held ? held.durableAt : acknowledgedAt;
  if (durableAt === null)
    throw new Error(
      `the server did not store ${total} items in ${msMax / 1_000} s${held ? `, but ${held.count}` : ''}`,
    );
  return { began, durableAt, acknowledgedAt };
};
