import { markHandled, withTimeLimit } from './time-limits.js';
import type { PeerRun, RunningServer } from './peer-run.js';
import {
  connectAndUpload,
  measuredRealm,
  type RunFigures,
  type Task,
  warmUp,
  watchProcessorTime,
} from './task-steps.js';

/** T1: a client uploads items that it wrote before its first connection. */
export const upload: Task = async (run) => {
  const total = run.sizes.upload;
  const server = await run.startServer(run.createFolder('server'));
  const writer = await run.startClients('writer', server);
  await warmUp(run, writer, writer);
  const folder = run.createFolder('writer');
  await writer.call.open('writer', { realm: measuredRealm, folder, isOffline: true });
  await withTimeLimit(writer.call.write('writer', { prefix: 'me', total }), 120_000, 'writing offline');
  await withTimeLimit(writer.call.waitForStore('writer'), 60_000, 'storing the writes');
  const endProcessorTime = await watchProcessorTime(server, writer);
  const { began, durableAt, acknowledgedAt } = await connectAndUpload(run, server, writer, total, 60_000);
  const [serverMs = NaN, writerMs = NaN] = await endProcessorTime();
  return {
    ms: durableAt - began,
    acknowledgedMs: acknowledgedAt === null ? NaN : acknowledgedAt - began,
    serverProcessorMs: serverMs,
    writerProcessorMs: writerMs,
  };
};

/** Fills the storage of a server by a client, once for all runs of a peer. */
const fillServer = async (run: PeerRun, folder: string, total: number): Promise<void> => {
  const server = await run.startServer(folder);
  const writer = await run.startClients('seed', server);
  const options = { realm: measuredRealm, folder: run.createFolder('seed'), isOffline: true };
  await writer.call.open('writer', options);
  await withTimeLimit(writer.call.write('writer', { prefix: 'me', total }), 180_000, 'writing the items to download');
  await connectAndUpload(run, server, writer, total, 180_000);
  await run.kill(writer);
  await withTimeLimit(server.call.stop(), 60_000, 'the end of the server');
  await run.kill(server);
};

const verifiedItemsMax = 10_000;

/** Downloads the realm with a new client in a process of its own, which stays connected. */
const downloadOnce = async (
  run: PeerRun,
  server: RunningServer,
  label: 'cold' | 'warm',
  total: number,
): Promise<RunFigures> => {
  const reader = await run.startClients(`${label} reader`, server);
  await warmUp(run, reader, reader);
  await reader.call.open('reader', { realm: measuredRealm, folder: run.createFolder(label) });
  await reader.call.expect('reader', 'me', total);
  const endProcessorTime = await watchProcessorTime(server, reader);
  const connecting = markHandled(reader.call.connect('reader'));
  const { isComplete, count, lastAt } = await reader.call.waitForItems('reader', 60_000);
  if (!isComplete) throw new Error(`${count} of ${total} items arrived in 60 s (${label})`);
  const began = await withTimeLimit(connecting, 30_000, 'connecting');
  const storedAt = await withTimeLimit(reader.call.waitForStore('reader'), 60_000, 'storing the download');
  const [serverMs = NaN, readerMs = NaN] = await endProcessorTime();
  const checked = Math.min(total, verifiedItemsMax);
  const { lost, damaged } = await withTimeLimit(
    reader.call.verify('reader', 'me', checked),
    60_000,
    'reading all items',
  );
  if (lost + damaged > 0) throw new Error(`${lost} items are lost and ${damaged} damaged (${label})`);
  return {
    [`${label}Ms`]: lastAt - began,
    [`${label}StoredMs`]: Math.max(storedAt, lastAt) - began,
    [`${label}ServerProcessorMs`]: serverMs,
    [`${label}ReaderProcessorMs`]: readerMs,
  };
};

/**
 * T2: new clients download a realm. The first one comes after a restart of the server (cold), the second one while the
 * first is connected (warm).
 */
const createDownload =
  (totalOf: (run: PeerRun) => number): Task =>
  async (run) => {
    const total = totalOf(run);
    const { folder, isFilled, fill } = run.openSeed(total);
    if (!isFilled) {
      await fillServer(run, folder, total);
      fill();
    }
    const server = await run.startServer(folder);
    return {
      ...(await downloadOnce(run, server, 'cold', total)),
      ...(await downloadOnce(run, server, 'warm', total)),
    };
  };

export const download = createDownload(({ sizes }) => sizes.download);
export const largeDownload = createDownload(({ sizes }) => sizes.largeDownload);
